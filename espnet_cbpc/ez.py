"""Importing this module lets ``espnetez.Trainer`` train the joint task, as ``"enh_asr_cbpc"``."""

from espnetez.task import TASK_CLASSES

from espnet_cbpc.tasks.enh_asr_cbpc import EnhASRCBPCTask

TASK = "enh_asr_cbpc"
TASK_CLASSES[TASK] = EnhASRCBPCTask
