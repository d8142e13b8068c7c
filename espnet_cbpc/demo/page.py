# SPDX-License-Identifier: Apache-2.0
"""The page: its controls, and what they do."""

from pathlib import Path
from typing import Optional

import gradio as gr

from espnet_cbpc.demo.example import SAYS, noisy_example
from espnet_cbpc.demo.panels import problem_panel, results_panel, speech_panel
from espnet_cbpc.demo.recording import Listener, Recording
from espnet_cbpc.utils.cli import UserError

TITLE = "Noise-robust speech recognition"
STYLE = Path(__file__).parent / "templates" / "page.css"
SOFT, SOFT_DARK = "#57606a", "#a3acb6"  # as in the report
# Of what computes one runs at a time, whoever asked: the others wait.
ONE_AT_A_TIME = {"concurrency_id": "models", "concurrency_limit": 1}


def theme() -> gr.themes.Base:
    """Return a theme with the browser's own fonts, as Gradio's are fetched, and more contrast."""
    found = gr.themes.Default(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    return found.set(
        body_text_color_subdued=SOFT,
        body_text_color_subdued_dark=SOFT_DARK,
        block_info_text_color=SOFT,
        block_info_text_color_dark=SOFT_DARK,
    )


def build(listener: Listener, max_megabytes: float) -> gr.Blocks:
    """Return the page.

    Args:
        listener: enhances and recognises.
        max_megabytes: of a file, as the server has it, for the page to tell.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 1800)) as page:
        gr.HTML(f"<h1>{TITLE}</h1>")
        with gr.Tab("Speech"):
            _speech(Answers(listener), max_megabytes)
        with gr.Tab("Results"):
            _results()
    return page


class Answers:
    """What the controls of the first tab do.

    Args:
        listener: enhances and recognises.
    """

    def __init__(self, listener: Listener):
        self.listener = listener

    def record(self, path: Optional[str], share: float) -> tuple[Optional[Recording], str]:
        """Take a file: return the recording to remember, and what to show."""
        if path is None:
            return None, ""
        try:
            recording = self.listener.record(path)
        except UserError as e:
            return None, problem_panel(str(e))
        return recording, self.show(recording, share)

    def show(self, recording: Optional[Recording], share: float) -> str:
        """Show a recording with a share of noisy speech."""
        if recording is None:
            return ""
        heard = recording.mixed(share)
        try:
            texts = (recording.text, self.listener.text(heard))
        except UserError as e:
            return problem_panel(str(e))
        return speech_panel(recording.noisy, heard, recording.fs, texts, share)

    def example(self):
        """Return the built-in example for the player."""
        try:
            return self.listener.fs, noisy_example(self.listener.fs)
        except UserError as e:
            raise gr.Error(str(e), duration=None) from e


def _speech(answers: Answers, max_megabytes: float) -> None:
    seconds = answers.listener.max_seconds
    gr.HTML(
        '<p class="note">Give a file or record from the microphone: at most '
        f"{max_megabytes:g} MB and {seconds:g} s. Nothing is kept.</p>"
    )
    recording = gr.State(time_to_live=1800)
    audio = gr.Audio(
        label="Noisy speech",
        sources=["upload", "microphone"],
        type="filepath",
        buttons=[],
        elem_id="noisy",
    )
    example = gr.Button("Make a noisy example", elem_id="example")
    gr.HTML(f'<p class="note">The example: {SAYS}</p>')
    share = gr.Slider(
        0, 1, answers.listener.share, step=0.05,
        label="Observation adding: share of noisy speech",
        info="0: enhanced speech alone; 1: noisy speech alone. The transcript follows it.",
        elem_id="share",
    )  # fmt: skip
    panel = gr.HTML(elem_id="speech")
    example.click(answers.example, None, audio, api_visibility="private", **ONE_AT_A_TIME)
    audio.change(
        answers.record, [audio, share], [recording, panel], api_visibility="private",
        **ONE_AT_A_TIME,
    )  # fmt: skip
    share.input(
        answers.show, [recording, share], panel, api_visibility="private",
        trigger_mode="always_last", **ONE_AT_A_TIME,
    )  # fmt: skip


def _results() -> None:
    file = gr.File(label="results.json of a report", file_types=[".json"], elem_id="file")
    panel = gr.HTML(elem_id="results")

    def show(path: Optional[str]) -> str:
        try:
            return results_panel(path) if path else ""
        except UserError as e:
            return problem_panel(str(e))

    file.change(show, file, panel, api_visibility="private", **ONE_AT_A_TIME)
