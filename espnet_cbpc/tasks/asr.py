"""Task of ASR training: ESPnet's, from weights that are proven to be loaded."""

from espnet2.tasks import asr

from espnet_cbpc.tasks.training_run import TrainingRun


class ASRTask(TrainingRun, asr.ASRTask):
    """ESPnet's ASR task."""

    transcripts = "text"
