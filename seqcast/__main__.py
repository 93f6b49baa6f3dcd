"""`python -m seqcast`, and `torchrun -m -- seqcast train` for training by several processes."""

from seqcast.cli.app import run

run()
