"""The language model in processes of their own: start-up, interruption, the server by hand."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from support.llm_cases import catalog, tickets
from support.llm_server import LlmServer
from triagedesk.classify.llm import LlmClassifier

CLASSIFY = """
import sys
sys.path.insert(0, {tests!r})
from support.llm_cases import catalog, tickets
from triagedesk.classify.llm import LlmClassifier
classifier = LlmClassifier("m", base_url={url!r}, timeout=300)
print("ready", flush=True)
result = classifier.classify(tickets(), catalog())
print(len(result.answers), len(result.failures), flush=True)
"""


def script(url: str) -> list[str]:
    code = CLASSIFY.format(tests=str(Path(__file__).parents[1]), url=url)
    return [sys.executable, "-W", "error", "-c", code]


def test_setting_up_the_stage_imports_no_provider() -> None:
    code = (
        "import sys; from triagedesk.classify.llm import LlmClassifier;"
        "LlmClassifier('gpt-4.1', api_key='k');"
        "print(*sorted({m.split('.')[0] for m in sys.modules}"
        " & {'pydantic_ai', 'openai', 'anthropic'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_run_leaves_nothing_open_behind() -> None:
    with LlmServer() as llm:
        llm.script("drop", "status:500", "missing:1")
        done = subprocess.run(script(llm.url), capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["ready", "4", "0"]
    assert done.stderr == ""


def test_ctrl_c_during_a_call_ends_the_process_at_once() -> None:
    with LlmServer() as llm:
        llm.script("slow:300")
        with subprocess.Popen(
            script(llm.url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            while not llm.requests:
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            # At once: it would go on for as long as the server takes.
            _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert errors.strip().endswith("KeyboardInterrupt")
    assert "Warning" not in errors
    assert "never retrieved" not in errors


def test_ctrl_c_during_a_wait_ends_the_process_at_once() -> None:
    with LlmServer() as llm:
        llm.script("status:429:100")
        with subprocess.Popen(
            script(llm.url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            while not llm.requests:
                assert process.poll() is None
                time.sleep(0.02)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            # At once: it would go on for as long as the server takes.
            _, errors = process.communicate(timeout=60)
    assert errors.strip().endswith("KeyboardInterrupt")


def test_the_server_runs_as_a_process_and_writes_its_log(tmp_path: Path) -> None:
    log = tmp_path / "llm.jsonl"
    with LlmServer.process(log=log, script=["status:429:0"], key="k") as url:
        classifier = LlmClassifier("m", api_key="k", base_url=url, sleep=lambda _seconds: None)
        assert len(classifier.classify(tickets(), catalog()).answers) == 4
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == ["status:429:0", "ok"]
    assert lines[1]["body"]["model"] == "m"
