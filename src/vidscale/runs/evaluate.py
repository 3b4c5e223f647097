"""Multiple choice by log-likelihood: the model's answer is the option it finds likeliest.

Nothing is generated, so nothing has to be parsed, and an answer is never missing. Options of several tokens are
compared by log-likelihood per token, else short ones would win.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidscale.runs.conversations import Batch, Question, Speller, Tokens, collate
from vidscale.runs.distributed import Team
from vidscale.runs.failures import STEADIER, NanLossError
from vidscale.runs.model import VideoLanguageModel, before
from vidscale.runs.recipe import EvaluationRecipe
from vidscale.runs.train import Clips, arithmetic, distinct, load_ahead


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model answered.

    Attributes:
        question: its position in the list of questions.
        scores: log-likelihood of every option, per token, nats.
        chosen: the likeliest option; the first of equals.
        correct: whether that is right.
    """

    question: int
    scores: tuple[float, ...]
    chosen: int
    correct: bool


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """One task's result.

    Attributes:
        task: its name.
        error: 1 - accuracy.
        n_eval: questions.
        chance: accuracy of guessing: the mean of 1 / options.
    """

    task: str
    error: float
    n_eval: int
    chance: float


def evaluate(model: VideoLanguageModel, questions: Sequence[Question], speller: Speller, clips: Clips,
             recipe: EvaluationRecipe, *, precision: str, members: Team,
             stop: Callable[[], None] = lambda: None) -> list[Answer]:
    """The model's answers to all questions, in their order.

    Args:
        model: on its device.
        questions: what to ask.
        speller, clips: how to make tokens and frames of them.
        recipe: how to ask.
        precision: "fp32" or "bf16".
        members: the processes; the questions are spread over them.
        stop: called between batches; may raise to end the evaluation.

    Raises:
        InputError: a video cannot be read, or options of a question cannot be told apart.
        NanLossError: a log-likelihood is no finite number, so the model prefers nothing.
    """
    shares = [share if share is not None else 0 for share in members.share(range(len(questions)))]
    was_training = model.training
    model.eval()
    answers: dict[int, Answer] = {}
    with ThreadPoolExecutor(clips.workers, thread_name_prefix="decode") as threads, torch.no_grad():
        loaded = load_ahead(threads, clips, (questions[i].video for i in shares))
        try:
            for start in range(0, len(shares), recipe.batch):
                stop()
                part = shares[start:start + recipe.batch]
                frames = [next(loaded) for _ in part]
                asked = [questions[i] for i in part]
                for i, scores in zip(part, _scores(model, asked, frames, speller, recipe, precision, members),
                                     strict=True):
                    if not all(math.isfinite(score) for score in scores):
                        raise NanLossError(f"the options of question {questions[i].id} have log-likelihoods "
                                           f"{', '.join(f'{score:g}' for score in scores)}; {STEADIER}")
                    chosen = int(np.argmax(scores))
                    answers[i] = Answer(question=i, scores=scores, chosen=chosen,
                                        correct=chosen == questions[i].answer)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
    model.train(was_training)
    everybody = {answer.question: answer for answer in members.gather(list(answers.values()))}
    return [everybody[i] for i in range(len(questions))]


def task_scores(questions: Sequence[Question], answers: Sequence[Answer]) -> list[TaskScore]:
    """Results task by task, in the order in which tasks first appear."""
    scores = []
    for task in dict.fromkeys(question.task for question in questions):
        own = [(q, a) for q, a in zip(questions, answers, strict=True) if q.task == task]
        wrong = sum(not a.correct for _, a in own)
        scores.append(TaskScore(task=task, error=wrong / len(own), n_eval=len(own),
                                chance=float(np.mean([1 / len(q.options) for q, _ in own]))))
    return scores


def _scores(model: VideoLanguageModel, questions: Sequence[Question], frames: Sequence[Tensor], speller: Speller,
            recipe: EvaluationRecipe, precision: str, members: Team) -> list[tuple[float, ...]]:
    """Log-likelihood per token of every option of some questions, by one forward pass."""
    sequences: list[Tokens] = []
    clip: list[int] = []
    kept, which = distinct(frames)
    for number, question in zip(which, questions, strict=True):
        candidates = speller.candidates(question, recipe.answer)
        sequences += candidates
        clip += [number] * len(candidates)
    batch = collate(kept, sequences, clip).to(members.device)
    wanted = _wanted(batch, sequences)
    with arithmetic(members.device, precision):
        logits = model(batch.frames, batch.ids, batch.clip, wanted)
    likely = torch.log_softmax(logits.float(), dim=-1).cpu()
    rows = _rows_of(sequences, likely)
    return [_of_options(question, speller, recipe.answer, rows) for question in questions]


def _wanted(batch: Batch, sequences: Sequence[Tokens]) -> Tensor:
    """Positions whose next token is scored: before every predicted token, or the last one where none is marked."""
    wanted = before(batch.predicted)
    for row, each in enumerate(sequences):
        if not any(each.predicted):
            wanted[row, len(each.ids) - 1] = True
    return wanted


def _rows_of(sequences: Sequence[Tokens], likely: Tensor) -> Iterator[Any]:
    """The log-probabilities that belong to each sequence, shape (its wanted positions, vocabulary)."""
    start = 0
    for each in sequences:
        count = max(1, sum(each.predicted))
        yield likely[start:start + count]
        start += count


def _of_options(question: Question, speller: Speller, answer: str, rows: Iterator[Tensor]) -> tuple[float, ...]:
    spelled = speller.options(question, answer)
    if all(len(option) == 1 for option in spelled):
        last = next(rows)[-1]
        return tuple(float(last[option[0]]) for option in spelled)
    return tuple(float(next(rows)[torch.arange(len(option)), torch.tensor(option)].mean()) for option in spelled)
