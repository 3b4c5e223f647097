"""What was measured: the schema, the readers, the bundled tables, and the arrays a fit sees."""

from vidscale.measurements.datasets import DatasetInfo, dataset_info, list_datasets
from vidscale.measurements.observations import AVERAGE, WEIGHTED, Observations, effective_count, observations
from vidscale.measurements.read import dataset, read_measurements
from vidscale.measurements.schema import COLUMNS, SCHEMA_VERSION, Column, describe_schema, template_csv
from vidscale.measurements.split import Clause, SplitRule, parse_rule, select
from vidscale.measurements.table import MeasurementTable

__all__ = [
    "AVERAGE",
    "COLUMNS",
    "SCHEMA_VERSION",
    "WEIGHTED",
    "Clause",
    "Column",
    "DatasetInfo",
    "MeasurementTable",
    "Observations",
    "SplitRule",
    "dataset",
    "dataset_info",
    "describe_schema",
    "effective_count",
    "list_datasets",
    "observations",
    "parse_rule",
    "read_measurements",
    "select",
    "template_csv",
]
