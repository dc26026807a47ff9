"""The modules of one user's folder: how they are imported, so that what runs is what the digest is of."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from functools import partial
from importlib import machinery
from pathlib import Path
from types import CodeType, ModuleType

from groupnl_deploy.own_code.blame import OURS, is_users, lies_in
from groupnl_deploy.workspace import sha256_hex

_FIRST = "_own_code_"
"""How the names of modules begin that users' files are run as."""


class Neighbours:
    """They find one another, and nobody else finds them by their short names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.modules: dict[str, ModuleType] = {}
        self._read: dict[str, str] = {}

    @staticmethod
    def name_of(stem: str, digest: str) -> str:
        """A name that no import finds, so that a file may be called as a package is that is installed."""
        return f"{_FIRST}{digest[:12]}_{stem}"

    @contextlib.contextmanager
    def at_home(self) -> Iterator[None]:
        """In the block they can be imported, each anew once; nothing is written beside them."""
        before, path, quiet = dict(sys.modules), list(sys.path), sys.dont_write_bytecode
        # Whoever uses this package from Python may have imported some already: of those no bytes were seen.
        hidden = {name: module for name, module in before.items() if self._was_imported(name, module)}
        for name in hidden:
            del sys.modules[name]
        sys.modules.update(self.modules)
        sys.path.insert(0, str(self.folder))
        sys.dont_write_bytecode = True
        try:
            with self._read_anew():
                yield
        finally:
            new = {name: it for name, it in sys.modules.items() if it is not before.get(name) and self._lives_here(it)}
            self.modules |= new
            for name in new:
                del sys.modules[name]
            sys.modules.update(hidden | {name: before[name] for name in new if name in before})
            sys.path[:], sys.dont_write_bytecode = path, quiet

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file, as it was when it ran, by its name below the folder."""
        files = {str(module.__file__) for module in self.modules.values()}
        return {self._name(file): self._read.get(file) or sha256_hex(Path(file).read_bytes()) for file in files}

    def _name(self, file: str) -> str:
        path = Path(file)
        inside = path if path.is_relative_to(self.folder) else path.resolve()
        return inside.relative_to(self.folder).as_posix()

    @contextlib.contextmanager
    def _read_anew(self) -> Iterator[None]:
        """In the block every import from the folder goes through `_Source`."""
        hook, finders = self._finder, dict(sys.path_importer_cache)
        sys.path_hooks.insert(0, hook)
        sys.path_importer_cache.clear()  # all: to tell which of a thousand lie in the folder takes longer than the rest
        try:
            yield
        finally:
            sys.path_hooks.remove(hook)
            sys.path_importer_cache.clear()
            sys.path_importer_cache.update(finders)
            importlib.invalidate_caches()

    def _finder(self, entry: str) -> machinery.FileFinder:
        """A hook of Python's. Raises `ImportError` for what is not in the folder."""
        if not lies_in(Path(entry), self.folder):
            raise ImportError
        return machinery.FileFinder(
            entry,
            (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
            (partial(_Source, self._read), machinery.SOURCE_SUFFIXES),  # type: ignore[arg-type]  # it is called alone
        )

    def _was_imported(self, name: str, module: ModuleType) -> bool:
        begins = (getattr(module, "__file__", None) or "").startswith(str(self.folder))  # quick, of thousands
        return begins and name != "__main__" and not name.startswith(_FIRST) and self._lives_here(module)

    def _lives_here(self, module: object) -> bool:
        name = getattr(module, "__name__", "").partition(".")[0]
        return name not in OURS and is_users(getattr(module, "__file__", None), self.folder)


class _Source(machinery.SourceFileLoader):
    """Compiles the very bytes of the digest. Bytecode beside a file may be another's: by date and size it is equal."""

    def __init__(self, read: dict[str, str], fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self._read = read

    def get_code(self, fullname: str) -> CodeType:
        """Of the file as it is now; what it was is kept."""
        path = self.get_filename(fullname)
        data = self.get_data(path)
        self._read[path] = sha256_hex(data)
        code: CodeType = self.source_to_code(data, path)
        return code
