"""Pushing, over a local process and over a real OpenSSH server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agent.messages.ledger import Deployment, LedgerRead, ReadLedger
from exporters.artifact import open_artifact
from groupnl_deploy.deploy.inventory import local_device
from groupnl_deploy.deploy.ledger import find_deployment
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.transfer import TellBytes
from groupnl_deploy.remote.transport import Transport


@pytest.fixture(params=["local", pytest.param("ssh", marks=pytest.mark.slow)])  # over SSH: test_resume.py
def device(request: pytest.FixtureRequest) -> Device:
    return local_device() if request.param == "local" else request.getfixturevalue("sshd").device()


def ledger(transport: Transport) -> LedgerRead:
    """What the device says it has."""
    with open_agent(transport) as agent:
        return agent.ask(ReadLedger(transport.name))


def pushed(transport: Transport) -> tuple[Deployment, ...]:
    return ledger(transport).deployments


def test_push_verifies_records_and_sends_nothing_twice(device: Device, untrained) -> None:
    with connect(device) as transport:
        sent: list[tuple[int, int]] = []
        first = push_artifact(transport, untrained.onnx, lambda *counts: sent.append(counts))
        total = sum(path.stat().st_size for path in untrained.onnx.files)
        assert sent[-1] == (total, total)
        sent.clear()
        again = push_artifact(transport, untrained.onnx, lambda *counts: sent.append(counts))
        assert sent == []
        assert again.artifact_sha256 == first.artifact_sha256 == untrained.onnx.sha256
        there = Path(transport.root) / first.directory
        assert (there / "manifest.json").read_bytes() == untrained.onnx.manifest.to_bytes()
        assert list((Path(transport.root) / "incoming").iterdir()) == []


def test_the_newest_artifact_that_a_backend_can_run_is_found(device: Device, untrained) -> None:
    with connect(device) as transport:
        with pytest.raises(UsageError, match="Nothing that onnxruntime can run"):
            find_deployment(ledger(transport).artifacts, "pi", "onnxruntime", None)
        onnx = push_artifact(transport, untrained.onnx)
        torch = push_artifact(transport, untrained.torch)
        assert torch.previous == onnx.artifact_sha256
        there = ledger(transport).artifacts
        assert find_deployment(there, "pi", "onnxruntime", None) == onnx
        assert find_deployment(there, "pi", "pytorch", None) == torch
        assert find_deployment(there, "pi", "null", None) == torch
        assert find_deployment(there, "pi", "null", onnx.artifact_sha256[:8]) == onnx
        with pytest.raises(UsageError, match="was pushed"):
            find_deployment(there, "pi", "null", "0123456789")


def test_an_artifact_damaged_on_the_device_is_sent_again(device: Device, untrained) -> None:
    with connect(device) as transport:
        first = push_artifact(transport, untrained.onnx)
        model = Path(transport.root) / first.directory / "model.onnx"
        model.write_bytes(b"not a model")
        sent: list[int] = []
        push_artifact(transport, untrained.onnx, lambda done, total: sent.append(done))
        assert sent
        assert model.read_bytes() == (untrained.onnx.directory / "model.onnx").read_bytes()


def test_a_manifest_lost_on_the_device_is_mended_by_pushing(device: Device, untrained) -> None:
    with connect(device) as transport:
        first = push_artifact(transport, untrained.onnx)
        manifest = Path(transport.root) / first.directory / "manifest.json"
        manifest.unlink()
        push_artifact(transport, untrained.onnx)
        assert manifest.read_bytes() == untrained.onnx.manifest.to_bytes()


def test_pushing_again_makes_the_artifact_the_newest_and_no_entry_twice(device: Device, untrained) -> None:
    with connect(device) as transport:
        for artifact in (untrained.onnx, untrained.torch, untrained.onnx, untrained.onnx):
            last = push_artifact(transport, artifact)
        assert [item.artifact_sha256 for item in pushed(transport)] == [
            untrained.torch.sha256,
            untrained.onnx.sha256,
        ]
        assert last.previous == untrained.torch.sha256


@pytest.mark.parametrize("name", ["../../x", "", "g" * 64])
def test_a_ledger_that_names_no_artifact_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no artifact's id"):
        Deployment("pi", name, "net", "onnx", "a" * 64, "now", None)


def test_an_upload_damaged_on_the_way_never_gets_its_final_name(
    device: Device, untrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaging(path: Path, offset_bytes: int, tell: TellBytes) -> Iterator[bytes]:
        data = path.read_bytes()
        yield data[:-1] + bytes([data[-1] ^ (path.name == "model.onnx")])

    root = Path(device.root)
    with connect(device) as transport:
        with monkeypatch.context() as patch, pytest.raises(VerificationFailed, match=r"model\.onnx arrived altered"):
            patch.setattr("groupnl_deploy.deploy.push.pieces", damaging)
            push_artifact(transport, untrained.onnx)
        assert not (root / "artifacts").exists()
        assert pushed(transport) == ()
        push_artifact(transport, untrained.onnx)
    assert open_artifact(root / "artifacts" / untrained.onnx.sha256).sha256 == untrained.onnx.sha256
    assert list((root / "incoming").iterdir()) == []
