"""The checks, one file a subject; `denselab.doctor.table` walks them all."""
