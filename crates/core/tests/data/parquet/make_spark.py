"""Writes the folder `spark` beside it: `python make_spark.py`, with pyspark 4.3.0 and Java 17."""

import datetime
import os
from decimal import Decimal

from pyspark.sql import SparkSession
from pyspark.sql import types as of

spark = (
    SparkSession.builder.master("local[1]")
    # As Hive reads them, and as Spark before 3.0 wrote them.
    .config("spark.sql.parquet.outputTimestampType", "INT96")
    .config("spark.sql.session.timeZone", "UTC")
    .getOrCreate()
)
schema = of.StructType(
    [
        of.StructField("id", of.LongType()),
        of.StructField("x", of.FloatType()),
        of.StructField("name", of.StringType()),
        of.StructField("bytes", of.BinaryType()),
        of.StructField("list", of.ArrayType(of.DoubleType())),
        of.StructField("when", of.TimestampType()),
        of.StructField("price", of.DecimalType(9, 2)),
        of.StructField("label", of.IntegerType(), False),
    ]
)


def row(r):
    when = datetime.datetime(2026, 1, 1 + r)
    return (r, r / 2, "é" * (r % 3), bytes([r] * (r % 4)), [float(r)] * (r % 3), when, Decimal(r), r % 3)


frame = spark.createDataFrame([row(r) for r in range(9)], schema).repartition(2)
folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "spark")
frame.sortWithinPartitions("id").write.mode("overwrite").parquet(folder)
spark.stop()
