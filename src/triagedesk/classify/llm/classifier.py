"""Classify a batch of tickets by a language model."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import batched

from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import StageResult, Usage
from triagedesk.classify.llm.cache import AnswerCache, MemoryCache
from triagedesk.classify.llm.prompt import PROMPT_VERSION, LabelBook, Question, ask, build_prompt
from triagedesk.classify.llm.providers import check_model
from triagedesk.classify.llm.reply import PROBABILITIES, LlmAnswer, read_reply
from triagedesk.classify.llm.transport import Ask, Caller, CallFailed, Fault, Reply
from triagedesk.tickets import Classification, DecidedBy, Ticket

_log = logging.getLogger(__name__)
