"""A native artifact on its way to a device: what cannot run there is refused, and the library that it needs is sent."""

from contextlib import ExitStack

from device_agent.manifest import NativeOperators
from device_agent.messages.native import AskNative, NativeFit, SendLibrary
from device_agent.native_choice import TARGETS
from groupnl_deploy.errors import NoNativeLibrary, VerificationFailed
from groupnl_deploy.native.libraries import libraries, library_for
from groupnl_deploy.progress import Reporter
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.transfer import pieces
from groupnl_deploy.remote.transport import Transport


def agent_with_library(
    running: ExitStack, transport: Transport, agent: AgentClient, native: NativeOperators | None, reporter: Reporter
) -> AgentClient:
    """The agent that `running` holds; where that knew no library for its machine, another, once one was built.

    Raises `UsageError` or `DeviceFault` for what cannot run there, `NoNativeLibrary` where none can be built.
    """
    if native is None:
        return agent
    try:
        agent.ask(AskNative(native, threads=1))
        return agent
    except NoNativeLibrary:
        if (agent.machine.system, agent.machine.machine) not in TARGETS:
            raise
        library_for(agent.machine.system, agent.machine.machine, reporter)
    running.close()
    agent = running.enter_context(open_agent(transport))
    agent.ask(AskNative(native, threads=1))
    return agent


def send_library(agent: AgentClient, native: NativeOperators, threads: int, mend: bool) -> NativeFit:
    """Have the library on the device, whose lock is held, that these operators need there on so many threads.

    One that was altered there is sent again if `mend`, else left for the agent to refuse.
    """
    fit = agent.ask(AskNative(native, threads))
    if fit.state == "missing" or (mend and fit.state == "altered"):
        sha256 = fit.library.sha256
        file = next((one for one in libraries() if one.record == fit.library and one.is_whole), None)
        if file is None:
            raise VerificationFailed(
                f"The native library {sha256[:12]} was removed here, or altered, while it was to be sent.",
                "Push again.",
            )
        request = SendLibrary(sha256)
        agent.send(request)
        agent.send_bytes(pieces(file.path, 0, lambda across_bytes: None))
        agent.answer_to(request)
    return fit
