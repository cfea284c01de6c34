"""Classify a batch of tickets by a language model."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import StageResult, Usage
from triagedesk.classify.llm.cache import AnswerCache, MemoryCache
from triagedesk.classify.llm.calls import Ask, CallFailed, Fault, Reply
from triagedesk.classify.llm.pace import Pace, Unhurried
from triagedesk.classify.llm.prompt import (
    PROMPT_VERSION,
    LabelBook,
    Prompt,
    Question,
    ask,
    build_prompt,
)
from triagedesk.classify.llm.providers import check_model
from triagedesk.classify.llm.reply import PROBABILITIES, LlmAnswer, read_reply
from triagedesk.classify.names import People
from triagedesk.classify.redact import REDACTION_VERSION, Redaction
from triagedesk.tickets import Classification, DecidedBy, Ticket

if TYPE_CHECKING:
    from triagedesk.classify.llm.transport import Caller

#: Called with how many of how many tickets are done.
Progress = Callable[[int, int], None]

#: A server that asks to wait longer than this many seconds is not waited for.
LONGEST_WAIT = 120.0
#: After so many batches in a row failed, the server counts as down and is not asked again.
GIVE_UP_AFTER = 3
#: Seconds a server that was given up on is not asked again.
LEAVE_ALONE = 60.0

_log = logging.getLogger(__name__)


class LlmClassifier:
    """A `Classifier` over any model pydantic-ai reaches.

    Never raises for what a model or its server does: a ticket it has no answer for is in
    `failures` with the reason. Raises SettingsError at once for a model that cannot be reached
    as configured. Without a delay between batches, up to `parallel` calls are under way at once;
    each waits for its turn with whoever else shares the `pace`. With `redact`, personal data is
    replaced before anything is sent, and put back in the evidence; `people` are those the desk
    knows by name. Synchronous: call it from a thread that runs no event loop of its own.
    """

    def __init__(
        self,
        model_name: str,
        *,
        api_key: str = "",
        base_url: str = "",
        batch_size: int = 20,
        delay_between_batches: float = 0.0,
        temperature: float | None = 0.0,
        timeout: float = 60.0,
        max_retries: int = 2,
        parallel: int = 4,
        max_characters: int = 3000,
        max_output_tokens: int | None = None,
        redact: bool = False,
        people: Callable[[], Sequence[str]] = tuple,
        pace: Pace | None = None,
        cache: AnswerCache | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_model(model_name, api_key=api_key, base_url=base_url)
        self._model_name = model_name
        self._batch_size = max(1, batch_size)
        self._delay = max(0.0, delay_between_batches)
        self._temperature = temperature
        self._max_retries = max(0, max_retries)
        self._parallel = 1 if self._delay else max(1, parallel)
        self._max_characters = max(100, max_characters)
        self._redact = redact
        self._people = people
        self._pace = pace or Unhurried()
        self._cache: AnswerCache = MemoryCache() if cache is None else cache
        self._sleep = sleep
        self._clock = clock
        # What outlives one batch of tickets: the next one keeps the delay too, and a server that
        # was given up on is left alone for a while.
        self._has_called = False
        self._given_up = ("", 0.0)
        self._api_key = api_key
        self._base_url = base_url
        self._timeout = timeout
        self._max_output_tokens = max_output_tokens

    @cached_property
    def _caller(self) -> Caller:
        # pydantic-ai takes about a second to import; a run without an LLM never pays for it.
        from triagedesk.classify.llm.transport import Caller  # noqa: PLC0415

        return Caller(
            self._model_name,
            api_key=self._api_key,
            base_url=self._base_url,
            temperature=self._temperature,
            timeout=self._timeout,
            max_output_tokens=self._max_output_tokens,
            pace=self._pace,
        )

    @property
    def name(self) -> str:
        """`llm`."""
        return DecidedBy.LLM.value

    @property
    def version(self) -> str:
        """The model's name and the version of how it is asked."""
        return f"{self._model_name}/{self._model_version}"

    @property
    def _model_version(self) -> str:
        redacted = f":{REDACTION_VERSION}" if self._redact else ""
        return f"prompt:{PROMPT_VERSION}:t{self._temperature}:c{self._max_characters}{redacted}"

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Classify tickets (distinct ids) into labels that `catalog.candidates` allows each."""
        return self.classify_with_progress(tickets, catalog, lambda _done, _total: None)

    def classify_with_progress(
        self, tickets: Sequence[Ticket], catalog: ServiceCatalog, on_progress: Progress
    ) -> StageResult:
        """Classify, reporting after each call how many tickets are settled."""
        questions: dict[str, Question] = {}
        keys: dict[str, str] = {}
        redactions: dict[str, Redaction] = {}
        failures: dict[str, str] = {}
        people = People(self._people() if self._redact else ())
        for ticket in tickets:
            redactions[ticket.id] = redaction = Redaction(people, _requester(ticket))
            question = ask(
                ticket,
                catalog,
                max_characters=self._max_characters,
                key_extra=self.version,
                hide=redaction.hide if self._redact else None,
            )
            if not question.text:
                failures[ticket.id] = "the ticket has no text"
            elif not question.allowed:
                failures[ticket.id] = "nothing in the catalog fits the fields it arrived with"
            else:
                questions.setdefault(question.key, question)
                keys[ticket.id] = question.key

        def settled(texts: int) -> None:
            # Texts stand for tickets here; only the end is exact.
            share = texts / len(questions) if questions else 1.0
            on_progress(round(share * len(tickets)), len(tickets))

        outcome = self._answer(
            list(questions.values()), LabelBook(entries=catalog.entries), settled
        )
        answers: dict[str, Classification] = {}
        for ticket_id, key in keys.items():
            if answer := outcome.answers.get(key):
                answers[ticket_id] = self._classification(answer, redactions[ticket_id])
            else:
                failures[ticket_id] = outcome.failures[key]
        return StageResult(answers=answers, failures=failures, usage=outcome.usage)

    def _answer(
        self, questions: Sequence[Question], book: LabelBook, settled: Callable[[int], None]
    ) -> _Outcome:
        """Answers from the cache, the rest from the model."""
        kept = self._cache.get([question.key for question in questions])
        known: dict[str, LlmAnswer] = {}
        for question in questions:
            if question.key in kept and (
                answer := LlmAnswer.from_json(kept[question.key], question)
            ):
                known[question.key] = answer
        unknown = [question for question in questions if question.key not in known]
        settled(len(known))
        if not unknown:
            return _Outcome(answers=known, failures={}, usage=Usage())
        reason, until = self._given_up
        if reason and self._clock() < until:
            failures = {question.key: reason for question in unknown}
            return _Outcome(answers=known, failures=failures, usage=Usage())
        with self._caller.session(several=len(unknown) > self._batch_size) as call:
            conversation = _Conversation(
                call=call,
                book=book,
                sleep=self._sleep,
                delay=self._delay,
                parallel=self._parallel,
                max_retries=self._max_retries,
                keep=self._cache.put,
                settled=lambda count: settled(len(known) + count),
                called=self._has_called,
            )
            self._has_called = True
            outcome = conversation.run(unknown, self._batch_size)
        self._given_up = (conversation.stopped, self._clock() + LEAVE_ALONE)
        return replace(outcome, answers=known | dict(outcome.answers))

    def _classification(self, answer: LlmAnswer, redaction: Redaction) -> Classification:
        nothing_fits = answer.label is None
        return Classification(
            label=answer.label,
            confidence=PROBABILITIES[answer.confidence],
            decided_by=DecidedBy.LLM,
            model=self._model_name,
            model_version=self._model_version,
            needs_review=nothing_fits or answer.confidence == "unsure",
            notes=("the language model found nothing in the catalog that fits",)
            if nothing_fits
            else (),
            evidence=tuple(redaction.restore(phrase) for phrase in answer.evidence),
            impact=answer.impact,
            urgency=answer.urgency,
        )


def _requester(ticket: Ticket) -> str:
    """The requester's name, as far as their mail address tells it."""
    given, dot, family = ticket.requester_email.partition("@")[0].partition(".")
    return f"{given} {family}" if dot else ""


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What became of each question, by key."""

    answers: Mapping[str, LlmAnswer]
    failures: Mapping[str, str]
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Questions of one call, and what has been tried with them."""

    questions: tuple[Question, ...]
    #: Transport failures so far.
    failed: int = 0
    #: Seconds to wait before it is sent.
    wait: float = 0.0
    #: True when the reply to a first call left these without a valid answer.
    again: bool = False
    #: True when that first reply held no valid answer at all.
    barren: bool = False
    #: True for a half of a batch that was too much at once.
    halved: bool = False


class _Conversation:
    """The calls for one batch of tickets: retries, second questions, halving, giving up."""

    def __init__(
        self,
        *,
        call: Ask,
        book: LabelBook,
        sleep: Callable[[float], None],
        delay: float,
        parallel: int,
        max_retries: int,
        keep: Callable[[Mapping[str, str]], None],
        settled: Callable[[int], None],
        called: bool,
    ) -> None:
        self._call = call
        self._book = book
        self._sleep = sleep
        self._delay = delay
        self._parallel = parallel
        self._max_retries = max_retries
        self._keep = keep
        self._settled = settled
        self._queue: deque[_Batch] = deque()
        self._answers: dict[str, LlmAnswer] = {}
        self._failures: dict[str, str] = {}
        self._usage = Usage()
        self._called = called
        self._failed_in_a_row = 0
        self._stopped = ""

    def run(self, questions: Sequence[Question], batch_size: int) -> _Outcome:
        """Ask everything; each question ends with an answer or a reason."""
        for start in range(0, len(questions), batch_size):
            self._queue.append(_Batch(questions=tuple(questions[start : start + batch_size])))
        while self._queue and not self._stopped:
            size = min(self._parallel, len(self._queue))
            wave = [self._queue.popleft() for _ in range(size)]
            self._pause(max(batch.wait for batch in wave))
            prompts = [build_prompt(self._book, batch.questions) for batch in wave]
            replies = self._call(prompts, partial(self._keep_at_once, prompts))
            # Backwards, so that what goes back to the front of the queue stays in order.
            for batch, reply in reversed(list(zip(wave, replies, strict=True))):
                self._take(batch, reply)
            self._settled(len(self._answers) + len(self._failures))
        for batch in self._queue:
            self._fail(batch.questions, self._stopped)
        self._settled(len(self._answers) + len(self._failures))
        return _Outcome(answers=self._answers, failures=self._failures, usage=self._usage)

    @property
    def stopped(self) -> str:
        """Why the server was given up on; "" when it was not."""
        return self._stopped

    def _pause(self, wait: float) -> None:
        seconds = max(wait, self._delay if self._called else 0.0)
        self._called = True
        if seconds > 0:
            self._sleep(seconds)

    def _keep_at_once(self, prompts: Sequence[Prompt], position: int, reply: Reply) -> None:
        """Keep answers as they arrive: nobody pays for them again if this process is killed."""
        read = read_reply(reply.text, prompts[position], truncated=reply.truncated)
        self._keep({key: answer.to_json() for key, answer in read.answers.items()})

    def _take(self, batch: _Batch, reply: Reply | CallFailed) -> None:
        self._usage += reply.usage
        if isinstance(reply, CallFailed):
            self._take_failure(batch, reply)
            return
        read = read_reply(
            reply.text, build_prompt(self._book, batch.questions), truncated=reply.truncated
        )
        if read.answers:
            self._failed_in_a_row = 0
        self._answers.update(read.answers)
        rest = tuple(q for q in batch.questions if q.key in read.problems)
        if not rest:
            return
        if reply.truncated:
            self._halve(replace(batch, questions=rest), "the reply was cut off at its length limit")
        elif not batch.again:
            self._queue.appendleft(
                replace(batch, questions=rest, wait=0.0, again=True, barren=not read.answers)
            )
        else:
            for question in rest:
                self._fail([question], f"{read.problems[question.key]}, twice")
            if batch.barren and not read.answers:
                self._count_failed_batch(read.problems[rest[0].key])

    def _take_failure(self, batch: _Batch, failed: CallFailed) -> None:
        _log.info("a call for %d tickets failed: %s", len(batch.questions), failed.reason)
        too_long = (failed.retry_after or 0.0) > LONGEST_WAIT
        if failed.fault is Fault.HOPELESS or too_long:
            asks = f", and it asks to wait {failed.retry_after:.0f} s" if too_long else ""
            self._stopped = failed.reason + asks
            self._fail(batch.questions, self._stopped)
        elif failed.fault is Fault.TOO_MUCH:
            self._halve(batch, failed.reason)
        elif batch.failed < self._max_retries:
            # 1, 2, 4 … seconds unless the server says otherwise; no jitter, to stay repeatable.
            wait = 2.0**batch.failed if failed.retry_after is None else failed.retry_after
            self._queue.appendleft(replace(batch, failed=batch.failed + 1, wait=wait))
        else:
            self._fail(batch.questions, failed.reason)
            self._count_failed_batch(failed.reason)

    def _halve(self, batch: _Batch, reason: str) -> None:
        """Ask in two halves, once."""
        if batch.halved or len(batch.questions) == 1:
            self._fail(batch.questions, reason)
            self._count_failed_batch(reason)
            return
        middle = (len(batch.questions) + 1) // 2
        for half in (batch.questions[middle:], batch.questions[:middle]):
            self._queue.appendleft(replace(batch, questions=half, wait=0.0, halved=True))

    def _count_failed_batch(self, reason: str) -> None:
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= GIVE_UP_AFTER:
            self._stopped = f"not asked any more after {GIVE_UP_AFTER} failed batches: {reason}"

    def _fail(self, questions: Sequence[Question], reason: str) -> None:
        self._failures.update({question.key: reason for question in questions})
