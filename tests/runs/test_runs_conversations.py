"""Examples and questions: reading them, spelling them, and what is to be predicted."""

import json

import pytest
import torch

from vidscale.errors import InputError
from vidscale.runs import MissingFileError
from vidscale.runs.conversations import (
    VIDEO_TOKEN,
    Example,
    Question,
    Speller,
    collate,
    letter_prompt,
    read_examples,
    read_questions,
)
from vidscale.runs.tiny import make_tokenizer

TEXTS = ["What is it ? A. red B. green USER: ASSISTANT: Then ?"]


def tokenizer(*extra):
    return make_tokenizer([*TEXTS, *extra, letter_prompt("What", ("red", "green"))])


def words(speller, ids):
    return ["<v>" if i == VIDEO_TOKEN else speller.tokenizer.convert_ids_to_tokens(i) for i in ids]


def an_entry(**changes):
    return {"id": "7", "video": "a.mp4", "conversations": [{"from": "human", "value": "<video>\nWhat ?"},
                                                           {"from": "gpt", "value": "red"}], **changes}


def said(human, model):
    return [{"from": "human", "value": human}, {"from": "gpt", "value": model}]


def a_question(**changes):
    return {"id": "7", "video": "a.mp4", "question": "What ?", "options": ["red", "green"], "answer": 1, "task": "t",
            **changes}


def write(tmp_path, content):
    (tmp_path / "data.json").write_text(json.dumps(content))
    return tmp_path / "data.json"


def test_only_answers_are_predicted(tmp_path):
    speller = Speller(tokenizer(), "plain", 2)
    example = Example(id="7", video=tmp_path, turns=(("<video>\nWhat ?", "red"), ("Then ?", "green")))
    spelled = speller.example(example)
    assert " ".join(words(speller, spelled.ids)) == "<s> <v> <v> What ? red </s> Then ? green </s>"
    answers = [word for word, p in zip(words(speller, spelled.ids), spelled.predicted, strict=True) if p]
    assert answers == ["red", "</s>", "green", "</s>"]


@pytest.mark.parametrize(("human", "spelled"), [
    ("What ?", ["<v>", "What", "?"]),
    ("What <video> ?", ["What", "<v>", "?"]),
    ("What ?\n<video>", ["What", "?", "<v>"]),
])
def test_the_video_goes_where_it_stands(tmp_path, human, spelled):
    speller = Speller(tokenizer(), "plain", 1)
    ids = speller.example(Example(id="7", video=tmp_path, turns=((human, "red"),))).ids
    assert words(speller, ids)[1:1 + len(spelled)] == spelled


def test_templates(tmp_path):
    marks = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    known = tokenizer("user assistant")
    with pytest.raises(InputError, match=r"does not know '<\|eot_id\|>'"):
        Speller(known, "llama-3", 1)
    known.add_special_tokens({"additional_special_tokens": marks})
    speller = Speller(known, "llama-3", 1)
    spelled = speller.example(Example(id="7", video=tmp_path, turns=(("What ?", "red"),)))
    answers = [w for w, p in zip(words(speller, spelled.ids), spelled.predicted, strict=True) if p]
    assert answers == ["red", "<|eot_id|>"]
    assert words(speller, spelled.ids)[1:5] == ["<|start_header_id|>", "user", "<|end_header_id|>", "<v>"]
    bare = Speller(known, "bare", 1).example(Example(id="7", video=tmp_path, turns=(("What ?", "red"),)))
    assert [w for w, p in zip(words(speller, bare.ids), bare.predicted, strict=True) if p] == ["red"]
    with pytest.raises(InputError, match="unknown template 'lama'; allowed are plain, vicuna"):
        Speller(known, "lama", 1)


def test_what_is_asked_is_what_was_trained(tmp_path):
    """A training example and a question of the same wording share every token up to the answer."""
    speller = Speller(tokenizer(), "plain", 3)
    question = Question(id="7", video=tmp_path, question="What ?", options=("red", "green"), answer=1, task="t")
    asked = speller.candidates(question, "letter")
    assert len(asked) == 1
    text = f"<video>\n{letter_prompt('What ?', ('red', 'green'))}"
    trained = speller.example(Example(id="7", video=tmp_path, turns=((text, "B"),)))
    assert trained.ids == asked[0].ids + speller.options(question, "letter")[1] + [speller.tokenizer.eos_token_id]


def test_options_of_several_tokens_get_a_sequence_each(tmp_path):
    speller = Speller(tokenizer(), "plain", 1)
    question = Question(id="7", video=tmp_path, question="What ?", options=("red", "green ?"), answer=0, task="t")
    candidates = speller.candidates(question, "text")
    assert [sum(each.predicted) for each in candidates] == [1, 2]
    assert words(speller, candidates[1].ids)[-2:] == ["green", "?"]


def test_collating_pads_on_the_right(tmp_path):
    speller = Speller(tokenizer(), "plain", 1)
    sequences = [speller.example(Example(id="7", video=tmp_path, turns=((text, "red"),))) for text in ("What ?", "?")]
    batch = collate([torch.zeros(1, 3, 4, 4, dtype=torch.uint8)] * 2, sequences, [0, 1])
    assert batch.ids.shape == (2, len(sequences[0].ids))
    assert batch.tokens == len(sequences[0].ids) + len(sequences[1].ids)
    assert batch.predicted.sum() == 4
    assert not batch.predicted[1, -1]


def test_too_long_is_named(tmp_path):
    speller = Speller(tokenizer(), "plain", 8, longest=12)
    with pytest.raises(InputError, match="example 7 takes 13 tokens, 8 of them visual; the language model takes 12"):
        speller.example(Example(id="7", video=tmp_path, turns=(("What ?", "red"),)))


def test_reading(tmp_path):
    example, = read_examples(write(tmp_path, [an_entry(id=7)]), tmp_path / "clips")
    assert example.video == tmp_path / "clips" / "a.mp4"
    assert (example.id, example.turns) == ("7", (("<video>\nWhat ?", "red"),))
    for answer in (1, "B", "green"):
        question, = read_questions(write(tmp_path, [a_question(answer=answer)]), tmp_path)
        assert question.answer == 1
    many = [a_question(task=task) for task in "aabab"]
    assert [q.task for q in read_questions(write(tmp_path, many), tmp_path, limit=2)] == list("aabb")


@pytest.mark.parametrize(("entry", "message"), [
    (an_entry(video=""), "entry 0: video is ''; it must be a text"),
    (an_entry(conversations=[]), "human and gpt messages in turn"),
    (an_entry(conversations=an_entry()["conversations"][::-1]), "a message must be from human"),
    (an_entry(conversations=said("<video><video>", "x")), "stand once"),
    (an_entry(conversations=said("?", "<video>")), "stand once"),
    ("nonsense", "entry 0: id is None"),
])
def test_bad_examples_are_named(tmp_path, entry, message):
    with pytest.raises(InputError) as caught:
        read_examples(write(tmp_path, [entry]), tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(("entry", "message"), [
    (a_question(options=["red"]), "2 to 26 different texts"),
    (a_question(options=["red", "red"]), "2 to 26 different texts"),
    (a_question(answer=2), "answer is 2; it must be an option, its letter, or its position from 0"),
    (a_question(answer="C"), "answer is 'C'"),
    (a_question(answer=True), "answer is True"),
    (a_question(task=None), "task is None"),
])
def test_bad_questions_are_named(tmp_path, entry, message):
    with pytest.raises(InputError) as caught:
        read_questions(write(tmp_path, [entry]), tmp_path)
    assert message in str(caught.value)


def test_bad_files_are_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.json is missing"):
        read_examples(tmp_path / "none.json", tmp_path)
    (tmp_path / "bad.json").write_text("[{")
    with pytest.raises(InputError, match=r"bad\.json is no JSON"):
        read_examples(tmp_path / "bad.json", tmp_path)
    with pytest.raises(InputError, match="must hold a JSON list"):
        read_questions(write(tmp_path, {}), tmp_path)
