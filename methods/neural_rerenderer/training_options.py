"""The command `bench train neural-rerenderer` on the card."""

from pathlib import Path

from bench.api import Command, Option

TRAIN = Command(
    verb="train",
    entry="bench.methods.neural_rerenderer.train:train",
    help="Learn from framebuffers and photos, in three stages; run it again to go on where it "
    "stopped.",
    dataset=True,
    options=(
        Option("split", str, required=True, help="training split, or several with commas"),
        Option("val_split", str, required=True, help="what validation during training looks at"),
        Option("out", Path, required=True, help="folder of weights, state, log and pictures"),
        Option(
            "configuration",
            str,
            default="mini",
            choices=("mini", "official"),
            help="size of the networks, crops and schedule",
        ),
        Option(
            "stages",
            str,
            default="all",
            choices=("all", "1", "2", "3"),
            help="1 encoder; 2 generator and discriminators; 3 all; one alone goes on from those "
            "before it in --out, or from --start-from",
        ),
        Option(
            "stage1_triplets",
            int,
            bounds=(1, None),
            help="length of stage 1; default: the configuration's",
        ),
        Option(
            "stage2_steps",
            int,
            bounds=(1, None),
            help="length of stage 2; default: the configuration's",
        ),
        Option(
            "stage3_steps",
            int,
            bounds=(1, None),
            help="length of stage 3; default: the configuration's",
        ),
        Option(
            "stage_minutes",
            str,
            default="0,0,0",
            help="of training, after which each stage ends earlier and the next begins; 0 for no "
            "bound",
        ),
        Option(
            "minutes",
            float,
            default=0.0,
            bounds=(0, None),
            help="after which this call saves its state and stops; 0 for no bound",
        ),
        Option("batch", int, bounds=(2, None), help="of one step; default: the configuration's"),
        Option(
            "decay",
            float,
            default=0.0,
            bounds=(0, 1),
            help="share of stage 3, its last steps or minutes, over which the learning rates fall "
            "to 0; published: 0",
        ),
        Option("seed", int, default=0, bounds=(0, None), help="decides every random choice"),
        Option("limit", int, default=0, bounds=(0, None), help="most samples of a split; 0: all"),
        Option(
            "share",
            float,
            default=1.0,
            bounds=(0.0001, 1),
            help="of the training samples, drawn by the seed; a smaller one is part of a larger",
        ),
        Option(
            "workers",
            int,
            default=0,
            bounds=(0, None),
            help="processes that decode, and then prepare batches; 0: the training process",
        ),
        Option("cache", Path, help="folder of decoded pictures; default: OUT/pictures"),
        Option("vgg", Path, help="VGG16 features; default: those in torch.hub's cache, if there"),
        Option("start_from", Path, help="a .safetensors to begin with instead of random weights"),
        Option("device", str, default="auto", help="auto, cpu, cuda or cuda:N"),
        Option(
            "precision",
            str,
            default="float32",
            choices=("float32", "bfloat16"),
            help="of what the networks compute",
        ),
        Option("compile", bool, default=False, help="let torch compile the networks"),
        Option(
            "validate_every", int, default=1000, bounds=(1, None), help="steps between validations"
        ),
        Option("validated", int, default=96, bounds=(1, None), help="most pictures of one"),
        Option("save_every", int, default=200, bounds=(1, None), help="steps between saved states"),
    ),
)
