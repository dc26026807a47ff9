"""The whole way in Python: a network trained, exported, pushed, benchmarked and reported; joules of a block of Python.

Run it in an empty folder: python examples/api.py. The device is this machine, and the meter is the emulated one.
"""

import time

import groupnl_deploy as gnl

# A network by its name, for the images that it shall tell apart.
digits = gnl.DataSource("digits")
network = gnl.build_network("resnet18_cifar", "groupnl", ratio=2, width=0.125, data=digits)
print(network)

# Trained to a checkpoint folder. A program of your own may train `network.module`, and `save_network` keeps it.
network = gnl.train_network(network, digits, "net", gnl.Recipe(epochs=1))
print(network)

# Exported, proved equal to the checkpoint, sent to a device and verified there.
artifact = gnl.export_network("net", "net-onnx")
print(artifact)
print(gnl.push_artifact(artifact, "local"))

# Benchmarked there. Short, for it is an example: a benchmark to be believed takes the usual 35 s.
run = gnl.bench_artifact(artifact, "local", idle_s=0, warmup_s=0.5, min_seconds=2)
print(run)
print(gnl.render(gnl.report_runs(run), "markdown"))

# What a block of Python takes.
with gnl.record_power("work.csv", "km003c", "emulator") as recorded:
    time.sleep(5)
print(recorded)
print(gnl.integrate_power(recorded, 1, 3))
