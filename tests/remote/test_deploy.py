"""Pushing, over a local process and over a real OpenSSH server."""

import dataclasses
import os
import pwd
import sys
from pathlib import Path

import pytest

from device_agent.messages.ledger import Deployment, LedgerRead, ReadLedger
from groupnl_deploy.deploy.inventory import local_device
from groupnl_deploy.deploy.ledger import find_deployment
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, UsageError, VerificationFailed
from groupnl_deploy.remote import agent as remote_agent
from groupnl_deploy.remote.agent import ensure_agent, open_agent
from groupnl_deploy.remote.bundle import build_bundle
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.transfer import TellBytes
from groupnl_deploy.remote.transport import Transport


@pytest.fixture(params=["local", "ssh"])
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
        assert transport.read(f"{first.directory}/manifest.json") == untrained.onnx.manifest.to_bytes()
        assert list(Path(transport.path("incoming")).iterdir()) == []


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
        transport.put(b"not a model", f"{first.directory}/model.onnx")
        sent: list[int] = []
        push_artifact(transport, untrained.onnx, lambda done, total: sent.append(done))
        assert sent
        assert transport.read(f"{first.directory}/model.onnx") == (untrained.onnx.directory / "model.onnx").read_bytes()


def test_a_manifest_lost_on_the_device_is_mended_by_pushing(device: Device, untrained) -> None:
    with connect(device) as transport:
        first = push_artifact(transport, untrained.onnx)
        Path(transport.path(f"{first.directory}/manifest.json")).unlink()
        push_artifact(transport, untrained.onnx)
        assert transport.read(f"{first.directory}/manifest.json") == untrained.onnx.manifest.to_bytes()


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
    with connect(device) as transport:
        put = transport.put

        def damaging(source: Path | bytes, name: str, tell: TellBytes | None = None) -> str:
            damaged = isinstance(source, Path) and source.name == "model.onnx"
            return put(source.read_bytes()[:-1] if damaged else source, name, tell)

        monkeypatch.setattr(transport, "put", damaging)
        with pytest.raises(VerificationFailed, match="bytes"):
            push_artifact(transport, untrained.onnx)
        assert transport.read(f"artifacts/{untrained.onnx.sha256}/manifest.json") is None
        assert list(Path(transport.path("incoming")).iterdir()) == []
        assert pushed(transport) == ()


def test_a_damaged_agent_is_replaced_before_it_runs(device: Device) -> None:
    with connect(device) as transport:
        bundle = ensure_agent(transport)
        transport.put(bundle.data[:-100], bundle.remote_path)
        assert ensure_agent(transport) == bundle
        assert transport.read(bundle.remote_path) == bundle.data


@pytest.mark.parametrize("swept", ["behind its upload", "before its start"])
def test_an_agent_that_another_version_sweeps_is_sent_again(
    swept: str, untrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(local_device()) as transport:
        bundle, times = build_bundle(), iter(range(3))
        verb = "put" if swept == "behind its upload" else "spawn"
        act = getattr(transport, verb)

        def sweep() -> None:
            if next(times, None) is not None:
                Path(transport.path(bundle.remote_path)).unlink()

        def meet(*given: object) -> object:
            if verb == "spawn":
                sweep()
            done = act(*given)
            if verb == "put":
                sweep()
            return done

        monkeypatch.setattr(transport, verb, meet)
        assert push_artifact(transport, untrained.onnx).artifact_sha256 == untrained.onnx.sha256


def test_an_agent_that_never_arrives_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(local_device()) as transport:
        monkeypatch.setattr(transport, "put", lambda data, name: None)
        with pytest.raises(VerificationFailed, match="arrived damaged on local, or was removed"):
            ensure_agent(transport)
        (Path(transport.path("agents"))).write_text("x")
        monkeypatch.undo()
        with pytest.raises(DeviceFault, match="agents"):
            ensure_agent(transport)


def test_a_missing_python_is_named(device: Device) -> None:
    device = dataclasses.replace(device, python="/opt/none/bin/python")
    with connect(device) as transport, pytest.raises(DeviceUnreachable) as caught:
        ensure_agent(transport)
    assert "no Python at “/opt/none/bin/python”" in caught.value.message
    assert "--python" in caught.value.remedy
    assert not caught.value.transient


def test_a_python_below_the_home_folder_there_is_found(sshd) -> None:
    home = pwd.getpwuid(os.getuid()).pw_dir
    with connect(sshd.device(python=os.path.relpath(sys.executable, home))) as transport:
        assert transport.read(ensure_agent(transport).remote_path) is not None


def test_an_old_python_is_refused(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_agent, "_OLDEST_PYTHON", (9, 9))
    with connect(device) as transport, pytest.raises(DeviceUnreachable, match="needs"):
        ensure_agent(transport)


def test_a_program_that_is_no_python_is_refused(device: Device) -> None:
    device = dataclasses.replace(device, python="/bin/false")
    with connect(device) as transport, pytest.raises(DeviceUnreachable, match="ended with code"):
        ensure_agent(transport)
