"""The language model as a stage of the cascade: an optional second opinion.

prompt     what is sent          reply      what is accepted of what comes back
providers  whose model it is     transport  one HTTP call, its faults sorted
pace       calls per minute      cache      never pay twice
classifier batches, retries, second questions, giving up
"""

from triagedesk.classify.llm.cache import AnswerCache, MemoryCache
from triagedesk.classify.llm.classifier import LlmClassifier
from triagedesk.classify.llm.pace import CallsPerMinute, Pace
from triagedesk.classify.llm.providers import ModelChoice, Provider, check_model, model_for
from triagedesk.classify.llm.reply import PROBABILITIES

__all__ = [
    "PROBABILITIES",
    "AnswerCache",
    "CallsPerMinute",
    "LlmClassifier",
    "MemoryCache",
    "ModelChoice",
    "Pace",
    "Provider",
    "check_model",
    "model_for",
]
