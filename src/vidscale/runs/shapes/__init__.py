"""Moving shapes: a scaling study of video question answering that one GPU can carry in about an hour.

Clips are drawn from counters, so example number i is the same whatever batch, device or process asks for it, and are
rendered as they are needed; the same examples can be written as mp4 files and conversations. Needs numpy and torch
only, so the study runs from the source tree: `PYTHONPATH=src python3 -m vidscale.runs.shapes --help`.

    draws → scene → render ┐
                    questions ├→ model, train → sweep (slices of a plan) → rows of the measurements table
                    observer  ┘  what an ideal observer could answer from the sampled frames
"""
