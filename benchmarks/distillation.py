"""Compare a student with and without distillation over three seeds, on SIMULATED images.

python benchmarks/distillation.py --out FOLDER

A DenseNet teacher is trained on phantom images; then students of the same architecture, on the same
images, for the same number of steps, without and with the teacher. The teacher's predictions cost
one more pass over the images, which is included in the printed time. All are scored on held-out
images. The same command resumes an interrupted benchmark. Scores on simulated images do not
transfer to patients.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from xraylab.backend import describe_backend, start_keras


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--teacher", default="densenet121_toy")
    parser.add_argument("--student", default="efficientvit_toy")
    parser.add_argument("--teacher-epochs", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--num-images", type=int, default=4096)
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


def main():
    options = parsed()
    start_keras()
    from xraylab import data, evaluation, metrics, training

    test = data.load("phantom", 64, split="test", progress=False)

    def macro_auc(recipe, name):
        """Train, unless done before; return the test score and the seconds."""
        run = training.fit(recipe, options.out / name, resume=True)
        probabilities = evaluation.predict(run.load_model("best"), test)
        score = metrics.score(test.labels, probabilities, label_names=test.label_names)
        return score.macro_auc, run.report["seconds"]

    teacher = training.Recipe(
        model=options.teacher,
        num_images=options.num_images,
        epochs=options.teacher_epochs,
        learning_rate=2e-3,
        ema=0.99,
        xla=False,
    )
    score, seconds = macro_auc(teacher, "teacher")
    print(
        f"{describe_backend()}, phantom images of 64 px (SIMULATED), {options.num_images} of them"
    )
    print(f"teacher {options.teacher}: test macro AUC {score:.4f}, {seconds:.0f} s")
    rows = []
    for seed in range(options.seeds):
        alone = teacher.replace(model=options.student, epochs=options.epochs, seed=seed)
        taught = alone.replace(objective="distillation", teacher=str(options.out / "teacher"))
        begun = time.perf_counter()
        row = {"seed": seed}
        row["alone"], row["alone_seconds"] = macro_auc(alone, f"alone-{seed}")
        row["taught"], row["taught_seconds"] = macro_auc(taught, f"taught-{seed}")
        rows.append(row | {"wall_seconds": time.perf_counter() - begun})
        print(
            f"seed {seed}: alone {row['alone']:.4f} ({row['alone_seconds']:.0f} s), taught "
            f"{row['taught']:.4f} ({row['taught_seconds']:.0f} s)",
            flush=True,
        )
    gains = [row["taught"] - row["alone"] for row in rows]
    print(
        f"{options.student}: taught - alone = {statistics.mean(gains):+.4f} on average, from "
        f"{min(gains):+.4f} to {max(gains):+.4f} over {options.seeds} seeds"
    )
    (options.out / "distillation.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
