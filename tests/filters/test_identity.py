"""What gives a teacher away, and what only looks like it."""

from __future__ import annotations

import pytest

from terminal_task_gen.filters.identity import Leak, find_leak, list_triggers
from terminal_task_gen.filters.triggers import Trigger, build_table
from terminal_task_gen.filters.words import split_texts


def look(
    prose: str, *, model: str = "local/tutor-7b", terms: tuple[str, ...] = (), instruction: str = ""
) -> Leak | None:
    return find_leak(prose, model=model, terms=terms, instruction=instruction)


def has_trigger(prose: str, *, model: str = "local/tutor-7b") -> bool:
    """Whether the rule would look at such a text at all."""
    table = build_table({Trigger.IDENTITY: list_triggers([model], ())})
    return bool(table.find(split_texts([prose]))[0])


@pytest.mark.parametrize(
    "prose",
    [
        "I am Qwen, so I will look at the file first.",
        "I'm Claude, made by Anthropic.",
        "I’m ChatGPT and I cannot see images.",
        "Well, my name is Gemini.",
        "I was trained by OpenAI to be helpful.",
        "As an AI assistant developed by Zhipu, I should list the files.",
        "As Claude, I should be careful here.",
        "as GPT-4, I'd rather use awk",
        "As an AI language model, I cannot open a browser.",
        "I am a large language model and have no clock.",
        "I'm just a language model.",
        "as a large language model, I do not know",
        "i  AM\nqwen",
        "As DeepSeek-V3, I list the files.",
        "I was created by Anthropic, so I refuse.",
        "I am a helpful AI assistant trained by OpenAI.",
        "我是通义千问，先看文件。",
        "我是DeepSeek开发的助手",
        "我是由OpenAI开发的",
        "作为一个人工智能语言模型，我不能",
        "私はQwenです。",
        "AI言語モデルとして、",
        "저는 ChatGPT입니다",
        "AI 언어 모델로서",
        "Soy ChatGPT y voy a listar",
        "Soy un asistente entrenado por OpenAI.",
        "Como modelo de lenguaje, no puedo",
        "Je suis Claude, un assistant",
        "Je suis un modèle développé par Mistral AI",
        "En tant que modèle de langage, je",
        "Ich bin Gemini.",
        "Ich wurde von OpenAI entwickelt.",
        "Als KI-Sprachmodell kann ich das nicht",
        "Sou o ChatGPT",
        "Como um modelo de linguagem, eu",
        "Sono Claude e",
        "Come modello linguistico non posso",
        "Я — DeepSeek",
        "Как языковая модель, я",
    ],
)
def test_a_claim_betrays_whatever_the_model_is_called(prose: str) -> None:
    leak = look(prose)
    assert leak is not None and leak.claimed
    assert prose[leak.start : leak.end].strip()
    assert has_trigger(prose)


@pytest.mark.parametrize(
    "prose",
    [
        "Install the client with pip install openai and read its docs.",
        "Claude Shannon defined entropy; Gemini is a constellation.",
        "The disk has a GPT partition table; fit a GLM with grok patterns of logstash.",
        "Serve llama through ollama, then compare it with Mistral.",
        "I am an AI assistant working in a terminal, so I run one command.",
        "Treat the counts as a language model and smooth them.",
        "The column vendor is OpenAI or Anthropic.",
        "I amend the commit, as clauses are missing.",
        "The model was trained by someone else.",
        "I was given a tokenizer file trained by OpenAI.",
        "I am looking at a config built by Llama.cpp.",
        "I am using a model trained by OpenAI.",
        "The file describes a language model trained by OpenAI.",
        "It has the same schema as openai. I will reuse it.",
        "我是系统管理员，文件由公司开发",
        "El archivo fue creado por el usuario",
        "Je suis le fichier de configuration",
        "Ich bin im Ordner llama_index",
        "El modelo de datos y el modelo de lenguaje",
    ],
)
def test_a_mention_of_others_is_no_leak(prose: str) -> None:
    assert look(prose) is None


@pytest.mark.parametrize(
    "prose", ["DeepSeek would do it so", "the deepseek-v3 way", "via hosted_vllm", "这是DeepSeek写的"]
)
def test_the_papers_teacher_is_sought_in_every_corpus(prose: str) -> None:
    leak = look(prose)
    assert leak is not None and not leak.claimed
    assert has_trigger(prose)


@pytest.mark.parametrize(
    ("model", "prose"),
    [
        ("Qwen/Qwen3-32B", "a Qwen reply"),
        ("openai/gpt-5.2", "OpenAI's policy says no"),
        ("anthropic/claude-sonnet-4.5", "Claude Sonnet thinks about it"),
        ("openai/gpt-5.2", "ChatGPT would refuse"),
        ("moonshotai/Kimi-K2", "Kimi K2 lists files"),
        ("microsoft/phi-4", "Phi-4 lists files"),
        ("Qwen/Qwen3-32B", "Qwen3 lists files"),
        ("CohereLabs/command-a-03-2025", "command-a lists files"),
        ("zai-org/GLM-4.6", "GLM-4.6 would stop here"),
        ("local/tutor-7b", "this is Tutor-7B speaking"),
        ("local/tutor-7b", "served as local/tutor-7b"),
        ("meta-llama/Llama-3.3-70B-Instruct", "Llama 3.3 does so"),
    ],
)
def test_a_teachers_own_names_betray_it(model: str, prose: str) -> None:
    assert look(prose, model=model) is not None
    assert has_trigger(prose, model=model)


@pytest.mark.parametrize(
    ("model", "prose"),
    [
        ("anthropic/claude-sonnet-4.5", "Claude Shannon defined entropy"),
        ("zai-org/GLM-4.6", "fit a GLM to the counts"),
        ("openai/gpt-5.2", "write a GPT partition table"),
        ("default", "keep the default value"),
        ("local/tutor-7b", "tutor-7bis is another"),
        ("Qwen/Qwen3-32B", "pip install openai"),
        ("openai/gpt-5.2", "install the openai package"),
        ("anthropic/claude-sonnet-4.5", "Jean-Claude wrote the anthropic client"),
        ("moonshotai/Kimi-K2", "the user kimi_r logged in"),
        ("CohereLabs/command-a-03-2025", "the output is coherent"),
        ("microsoft/phi-4", "the angles phi1 and phi2"),
        ("meta-llama/Llama-3.3-70B-Instruct", "build llama.cpp"),
    ],
)
def test_homonyms_and_plain_words_do_not(model: str, prose: str) -> None:
    assert look(prose, model=model) is None


def test_configured_terms_count_as_whole_words_in_any_case() -> None:
    assert look("the ACME Brain says", terms=("acme brain",)) is not None
    assert look("the acme brainstorm says", terms=("acme brain",)) is None
    assert look("a.b and axb", terms=("a.b", " ")) == Leak(start=0, end=3, claimed=False)


def test_a_name_that_the_task_itself_uses_is_its_subject_but_a_claim_never_is() -> None:
    instruction = "Parse the logs of our DeepSeek gateway."
    assert look("The DeepSeek gateway logs JSON.", instruction=instruction) is None
    assert look("I am DeepSeek, so I know.", instruction=instruction) is not None
    assert look("deepseek, then hosted_vllm", instruction=instruction) == Leak(start=15, end=26, claimed=False)
