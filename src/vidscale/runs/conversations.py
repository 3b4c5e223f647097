"""Examples and questions: the JSON files, how they are spelled in tokens, and how they are batched.

Training examples are LLaVA's conversations:

    {"id": "7", "video": "a/7.mp4", "conversations": [{"from": "human", "value": "<video>\\nWhat happens?"},
                                                      {"from": "gpt", "value": "A ball falls."}, ...]}

Questions are multiple choice:

    {"id": "7", "video": "a/7.mp4", "question": "What falls?", "options": ["A ball", "A cup"], "answer": 0,
     "task": "objects"}

where answer is the right option's position from 0, its letter, or its text. The video's tokens stand where
`<video>` stands, at the start of the first message where it does not stand anywhere.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from vidscale.errors import InputError
from vidscale.runs.failures import CorruptFileError, MissingFileError

if TYPE_CHECKING:
    import torch

VIDEO = "<video>"
#: Stands for one visual token among token numbers; no vocabulary has negative ones.
VIDEO_TOKEN = -200
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: Different texts whose tokens are remembered: questions and options of multiple choice come again and again.
REMEMBERED = 2**13
ASK_LETTER = "Answer with the option's letter from the given choices directly."

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Template:
    """How a conversation is spelled.

    Attributes:
        start: before everything, after the tokenizer's own beginning-of-sequence token if it has one.
        user, user_end: around what the human says.
        assistant, assistant_end: around what the model says; assistant_end None is the tokenizer's end-of-sequence, ""
            is nothing.
    """

    start: str = ""
    user: str = ""
    user_end: str = "\n"
    assistant: str = ""
    assistant_end: str | None = None


TEMPLATES: dict[str, Template] = {
    "plain": Template(),
    "vicuna": Template(start="A chat between a curious human and an artificial intelligence assistant. ",
                       user="USER: ", user_end=" ", assistant="ASSISTANT: "),
    "llama-3": Template(user="<|start_header_id|>user<|end_header_id|>\n\n", user_end="<|eot_id|>",
                        assistant="<|start_header_id|>assistant<|end_header_id|>\n\n", assistant_end="<|eot_id|>"),
    "chatml": Template(user="<|im_start|>user\n", user_end="<|im_end|>\n", assistant="<|im_start|>assistant\n",
                       assistant_end="<|im_end|>\n"),
    "bare": Template(assistant_end=""),
}


@dataclass(frozen=True, kw_only=True)
class Example:
    """One training example: a video and (question, answer) turns."""

    id: str
    video: Path
    turns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One multiple-choice question; `answer` is the right option's position."""

    id: str
    video: Path
    question: str
    options: tuple[str, ...]
    answer: int
    task: str


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """One sequence: token numbers, VIDEO_TOKEN for visual tokens, and which of them are to be predicted."""

    ids: list[int]
    predicted: list[bool]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one forward pass takes.

    Attributes:
        frames: shape (clips, x_T, 3, side, side), dtype uint8.
        ids: shape (sequences, length); padded on the right, where causal attention never looks.
        predicted: tokens that are to be predicted, shape (sequences, length).
        clip: which clip each sequence is about, shape (sequences,).
        tokens: tokens without padding.
    """

    frames: "torch.Tensor"
    ids: "torch.Tensor"
    predicted: "torch.Tensor"
    clip: "torch.Tensor"
    tokens: int

    def to(self, device: Any) -> "Batch":
        move = {name: getattr(self, name).to(device, non_blocking=True)
                for name in ("frames", "ids", "predicted", "clip")}
        return Batch(**move, tokens=self.tokens)


def read_examples(path: Path, videos: Path) -> list[Example]:
    """Training examples from a LLaVA-style JSON file.

    Args:
        path: the file.
        videos: the folder its video paths are relative to.

    Raises:
        InputError: the file is missing, no JSON list, or an entry is not as described; the entry is named.
    """
    return _entries(path, lambda entry, name: _example(entry, name, videos))


def read_questions(path: Path, videos: Path, limit: int | None = None) -> list[Question]:
    """Multiple-choice questions from a JSON file, in its order.

    Args:
        path: the file.
        videos: the folder its video paths are relative to.
        limit: take the first so many of each task.

    Raises:
        InputError: as in `read_examples`.
    """
    seen: Counter[str] = Counter()
    kept = []
    for question in _entries(path, lambda entry, name: _question(entry, name, videos)):
        seen[question.task] += 1
        if limit is None or seen[question.task] <= limit:
            kept.append(question)
    return kept


def _entries(path: Path, read: Callable[[Any, str], T]) -> list[T]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingFileError(f"the data file {path} is missing") from None
    except RecursionError:
        raise CorruptFileError(f"the data file {path} is nested too deeply to be read; it must be a list of flat "
                               "entries") from None
    except (OSError, ValueError) as problem:
        raise CorruptFileError(f"the data file {path} is no JSON: {problem}") from None
    if not isinstance(content, list) or not content:
        raise InputError(f"{path} must hold a JSON list with at least one entry")
    return [read(entry, f"{path}, entry {i}") for i, entry in enumerate(content)]


def _text(entry: Any, key: str, where: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, int) and not isinstance(value, bool) and key == "id":
        value = str(value)
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: {key} is {value!r}; it must be a text")
    return _characters(value, key, where)


def _characters(value: str, key: str, where: str) -> str:
    """The text, which JSON may spell with halves of characters that no file and no tokenizer takes."""
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InputError(f"{where}: {key} is {value[:80]!a}, which holds half of a surrogate pair and so is no "
                         "text; write it (and name its file) in UTF-8")
    return value


def _example(entry: Any, where: str, videos: Path) -> Example:
    name, video = _text(entry, "id", where), _text(entry, "video", where)
    said = entry.get("conversations")
    if not isinstance(said, list) or not said or len(said) % 2:
        raise InputError(f"{where} (id {name}): conversations must be a list of human and gpt messages in turn")
    turns = []
    for human, model in zip(said[::2], said[1::2], strict=True):
        for message, role in ((human, "human"), (model, "gpt")):
            if not isinstance(message, dict) or message.get("from") != role:
                raise InputError(f"{where} (id {name}): a message must be from {role}, in turn human and gpt")
        turns.append((_text(human, "value", where), _text(model, "value", where)))
    if sum(text.count(VIDEO) for turn in turns for text in turn) > 1 or any(VIDEO in answer for _, answer in turns):
        raise InputError(f"{where} (id {name}): {VIDEO} may stand once, in a human message")
    return Example(id=name, video=videos / video, turns=tuple(turns))


def _question(entry: Any, where: str, videos: Path) -> Question:
    name, video = _text(entry, "id", where), _text(entry, "video", where)
    options = entry.get("options")
    if (not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS)
            or not all(isinstance(option, str) and option for option in options) or len(set(options)) < len(options)):
        raise InputError(f"{where} (id {name}): options is {options!r}; it must be 2 to {len(LETTERS)} different texts")
    for option in options:
        _characters(option, "an option", f"{where} (id {name})")
    given = entry.get("answer")
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(options):
        answer = given
    elif given in options:
        answer = options.index(given)
    elif isinstance(given, str) and len(given) == 1 and given in LETTERS[:len(options)]:
        answer = LETTERS.index(given)
    else:
        raise InputError(f"{where} (id {name}): answer is {given!r}; it must be an option, its letter, or its position "
                         "from 0")
    return Question(id=name, video=videos / video, question=_text(entry, "question", where), options=tuple(options),
                    answer=answer, task=_text(entry, "task", where))


def letter_prompt(question: str, options: Sequence[str]) -> str:
    """A question with its options listed; train on answers that are letters to learn this way of asking."""
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    return f"{question}\n{listed}\n{ASK_LETTER}"


class Speller:
    """Conversations to tokens, for one tokenizer and number of visual tokens.

    Texts of the two sides are tokenised apart, so that the tokens of a question never depend on its answer.

    Args:
        tokenizer: a Hugging Face tokenizer.
        template: a name in TEMPLATES.
        visual_tokens: x_T x_V.
        longest: most tokens that the language model takes; None for no limit.

    Raises:
        InputError: the template is unknown, or the tokenizer does not have its marks as single tokens.
    """

    def __init__(self, tokenizer: Any, template: str, visual_tokens: int, longest: int | None = None) -> None:
        if template not in TEMPLATES:
            raise InputError(f"unknown template {template!r}; allowed are {', '.join(TEMPLATES)}")
        self.tokenizer, self.template = tokenizer, TEMPLATES[template]
        self._encode = lru_cache(maxsize=REMEMBERED)(self._tokenised)
        self.visual_tokens, self.longest = visual_tokens, longest
        end = self.template.assistant_end
        if end is None and tokenizer.eos_token_id is None:
            raise InputError(f"the tokenizer has no end-of-sequence token, which template {template!r} needs")
        self.end: list[int] = [tokenizer.eos_token_id] if end is None else self._encode(end)
        if end is not None and end.startswith("<|") and len(self._encode(end.strip())) != 1:
            raise InputError(f"the tokenizer does not know {end.strip()!r}, a mark of template {template!r}; choose "
                             "the template that the language model was trained with, or plain")
        start = self._encode(self.template.start)
        self.start = start if tokenizer.bos_token_id is None else [tokenizer.bos_token_id, *start]

    def example(self, example: Example) -> Tokens:
        """A whole conversation; what the model says is to be predicted, with the mark that ends it."""
        ids, predicted = list(self.start), [False] * len(self.start)
        first = 0 if not any(VIDEO in human for human, _ in example.turns) else None
        for turn, (human, answer) in enumerate(example.turns):
            asked = self._asked(human, video_first=turn == first)
            said = self._encode(answer) + self.end
            ids += asked + said
            predicted += [False] * len(asked) + [True] * len(said)
        return self._checked(Tokens(ids=ids, predicted=predicted), example.id)

    def candidates(self, question: Question, answer: str) -> list[Tokens]:
        """One sequence per option, in which the option is to be predicted.

        Where every option is one token ("letter"), one sequence is enough: it stops before the option, and what
        follows its last token is to be predicted. It is told by having nothing marked as predicted.
        """
        letters = answer == "letter"
        text = letter_prompt(question.question, question.options) if letters else question.question
        prompt = self.start + self._asked(text, video_first=VIDEO not in text)
        spelled = self.options(question, answer)
        if all(len(option) == 1 for option in spelled):
            return [self._checked(Tokens(ids=prompt, predicted=[False] * len(prompt)), question.id)]
        return [self._checked(Tokens(ids=prompt + option, predicted=[False] * len(prompt) + [True] * len(option)),
                              question.id) for option in spelled]

    def options(self, question: Question, answer: str) -> list[list[int]]:
        """The tokens of every option: of its letter or of its text.

        Raises:
            InputError: an option has none, or two have the same ones, so that the model cannot prefer either.
        """
        texts = LETTERS[:len(question.options)] if answer == "letter" else question.options
        spelled = [self._encode(text) for text in texts]
        for number, option in enumerate(spelled):
            same = spelled.index(option)
            if same < number or not option:
                what = f"options {texts[same]!r} and {texts[number]!r} are spelled with the same tokens"
                if not option:
                    what = f"option {texts[number]!r} is spelled with no token"
                raise InputError(f"question {question.id}: {what} by this tokenizer, so the model cannot tell it from "
                                 "others; word it in what the tokenizer knows, or plan with a recipe whose "
                                 f"evaluation.answer is {'text' if answer == 'letter' else 'letter'}")
        return spelled

    def _asked(self, text: str, video_first: bool) -> list[int]:
        if video_first:
            text = f"{VIDEO}\n{text}"
        before, mark, after = text.partition(VIDEO)
        video = [VIDEO_TOKEN] * self.visual_tokens if mark else []
        inside = [*self._encode(self.template.user + before), *video]
        return inside + self._encode(after + self.template.user_end + self.template.assistant)

    def _tokenised(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False) if text else []

    def _checked(self, tokens: Tokens, name: str) -> Tokens:
        if self.longest is not None and len(tokens.ids) > self.longest:
            most_is_text = len(tokens.ids) > 2 * self.visual_tokens
            raise InputError(f"example {name} takes {len(tokens.ids)} tokens, {self.visual_tokens} of them visual; the "
                             f"language model takes {self.longest}: "
                             + ("shorten the text" if most_is_text else "use fewer frames or tokens per frame"))
        return tokens


def collate(clips: Sequence["torch.Tensor"], sequences: Sequence[Tokens], clip: Sequence[int]) -> Batch:
    """Clips and sequences about them as one batch.

    Args:
        clips: each of shape (x_T, 3, side, side), dtype uint8.
        sequences: the tokens.
        clip: for every sequence, which clip it is about.
    """
    import torch

    longest = max(len(each.ids) for each in sequences)
    ids = np.zeros((len(sequences), longest), dtype=np.int64)
    predicted = np.zeros((len(sequences), longest), dtype=np.bool_)
    for row, each in enumerate(sequences):
        ids[row, :len(each.ids)] = each.ids
        predicted[row, :len(each.ids)] = each.predicted
    return Batch(frames=torch.stack(list(clips)), ids=torch.from_numpy(ids), predicted=torch.from_numpy(predicted),
                 clip=torch.tensor(list(clip)), tokens=sum(len(each.ids) for each in sequences))
