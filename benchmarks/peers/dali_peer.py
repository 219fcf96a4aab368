"""DALI as a peer: forms of a pipeline on the CPU."""

import numpy as np


def pipelines(work, graphs):
    """Forms that make the outputs of `graphs`, each a function that is called inside a pipeline.

    Exactly the batches of an epoch are scheduled, two ahead as is DALI's default, so that it does not
    begin the next epoch while another loader has its turn. Its readers still have one batch ready.
    DALI fills up the last batch with the last sample, which is cut off here.
    """
    from nvidia.dali import pipeline_def

    def form(executor, outputs):
        def make():
            ahead = min(2, work.batches)

            @pipeline_def(
                batch_size=work.batch_size,
                num_threads=work.workers,
                device_id=None,
                seed=work.seed,
                prefetch_queue_depth=ahead,
                exec_dynamic=executor == "dynamic",
                enable_conditionals=True,
            )
            def defined():
                return outputs()

            pipeline = defined()
            pipeline.build()
            last_rows = work.samples - (work.batches - 1) * work.batch_size
            # The very first call schedules all batches ahead, and each later one a single batch.
            begun = False

            def epoch(_):
                nonlocal begun
                for _ in range(ahead if begun else 1):
                    pipeline.schedule_run()
                begun = True
                for number in range(work.batches):
                    shared = pipeline.share_outputs()
                    batch = [np.asarray(output.as_tensor()) for output in shared]
                    if number + 1 == work.batches:
                        batch = [array[:last_rows] for array in batch]
                    yield batch
                    del shared, batch
                    pipeline.release_outputs()
                    if number + ahead < work.batches:
                        pipeline.schedule_run()

            return epoch

        return make

    return {
        f"{executor} executor, {name}": form(executor, outputs)
        for executor in ("static", "dynamic")
        for name, outputs in graphs.items()
    }
