"""PTransforms and DoFns: the only Beam code below pipelines."""
