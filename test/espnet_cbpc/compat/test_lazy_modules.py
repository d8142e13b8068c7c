# SPDX-License-Identifier: Apache-2.0
"""Modules loaded when they are first used."""

import importlib.util
import os
import subprocess
import sys

import pytest

from espnet_cbpc.compat.lazy_modules import _LazyFinder


def output(code, **environment):
    command = [sys.executable, "-c", code]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.split()


def test_a_module_is_loaded_by_the_first_use_of_what_is_in_it(tmp_path, repository):
    package = tmp_path / "nltk"
    package.mkdir()
    (package / "__init__.py").write_text("print('loaded')\nfrom nltk import part\n")
    (package / "part.py").write_text("word = 'word'\n")
    path = os.pathsep.join([str(tmp_path), str(repository)])
    code = "import espnet_cbpc.bin, {}; print('imported'); print(nltk.part.word)"
    assert output(code.format("nltk"), PYTHONPATH=path) == ["imported", "loaded", "word"]
    twice = output(code.format("nltk, nltk"), PYTHONPATH=path)  # the second import may load it
    assert sorted(twice) == ["imported", "loaded", "word"]
    again = output("import nltk, espnet_cbpc.bin, nltk; print(nltk.part.word)", PYTHONPATH=path)
    assert again == ["loaded", "word"]  # what was there before is left alone


@pytest.mark.skipif(
    importlib.util.find_spec("nltk") is None, reason="the core of ESPnet 202611 does without nltk"
)
def test_a_command_loads_none_and_has_what_espnet_uses():
    code = (
        "import sys, espnet_cbpc.bin.asr_train\n"
        "print('nltk.tokenize' in sys.modules, 'g2p_en.g2p' in sys.modules)\n"
        "import nltk\n"
        "words = 'one two three four'.split()\n"
        "print(nltk.translate.bleu_score.corpus_bleu([[words]], [words]))"
    )
    assert output(code)[-3:] == ["False", "False", "1.0"]


def test_one_that_is_not_installed_is_not_found():
    assert _LazyFinder.find_spec("nltk", ["/nowhere"]) is None
    assert _LazyFinder.find_spec("json", None) is None


def test_caches_of_finders_can_still_be_emptied():
    assert output("import importlib, espnet_cbpc.bin; importlib.invalidate_caches(); print(1)") == [
        "1"
    ]
