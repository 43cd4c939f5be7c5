"""The messages of io.prometheus.client, made by Google's own runtime from their fields."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

FIELD = descriptor_pb2.FieldDescriptorProto
KINDS = {
    "string": FIELD.TYPE_STRING,
    "double": FIELD.TYPE_DOUBLE,
    "uint64": FIELD.TYPE_UINT64,
    "int64": FIELD.TYPE_INT64,
    "sint32": FIELD.TYPE_SINT32,
    "uint32": FIELD.TYPE_UINT32,
    "sint64": FIELD.TYPE_SINT64,
}
TIME = ".google.protobuf.Timestamp"
MESSAGES = {
    "LabelPair": ["1 name string", "2 value string"],
    "Gauge": ["1 value double"],
    "Counter": ["1 value double", "2 exemplar Exemplar", f"3 created_timestamp {TIME}"],
    "Quantile": ["1 quantile double", "2 value double"],
    "Summary": [
        "1 sample_count uint64",
        "2 sample_sum double",
        "3 quantile Quantile*",
        f"4 created_timestamp {TIME}",
    ],
    "Untyped": ["1 value double"],
    "Histogram": [
        "1 sample_count uint64",
        "4 sample_count_float double",
        "2 sample_sum double",
        "3 bucket Bucket*",
        f"15 created_timestamp {TIME}",
        "5 schema sint32",
        "6 zero_threshold double",
        "7 zero_count uint64",
        "8 zero_count_float double",
        "9 negative_span BucketSpan*",
        "10 negative_delta sint64*",
        "11 negative_count double*",
        "12 positive_span BucketSpan*",
        "13 positive_delta sint64*",
        "14 positive_count double*",
        "16 exemplars Exemplar*",
    ],
    "Bucket": [
        "1 cumulative_count uint64",
        "4 cumulative_count_float double",
        "2 upper_bound double",
        "3 exemplar Exemplar",
    ],
    "BucketSpan": ["1 offset sint32", "2 length uint32"],
    "Exemplar": ["1 label LabelPair*", "2 value double", f"3 timestamp {TIME}"],
    "Metric": [
        "1 label LabelPair*",
        "2 gauge Gauge",
        "3 counter Counter",
        "4 summary Summary",
        "5 untyped Untyped",
        "7 histogram Histogram",
        "6 timestamp_ms int64",
    ],
    "MetricFamily": [
        "1 name string",
        "2 help string",
        "3 type MetricType",
        "4 metric Metric*",
        "5 unit string",
    ],
}
TYPES = ["COUNTER", "GAUGE", "SUMMARY", "UNTYPED", "HISTOGRAM", "GAUGE_HISTOGRAM"]


def _family_class():
    package = "io.prometheus.client"
    file = descriptor_pb2.FileDescriptorProto(
        name="metrics.proto",
        package=package,
        syntax="proto2",
        dependency=["google/protobuf/timestamp.proto"],
    )
    types = file.enum_type.add(name="MetricType")
    for number, name in enumerate(TYPES):
        types.value.add(name=name, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields:
            number, field, kind = text.split()
            many = kind.endswith("*")
            kind = kind.rstrip("*")
            added = message.field.add(name=field, number=int(number))
            added.label = FIELD.LABEL_REPEATED if many else FIELD.LABEL_OPTIONAL
            if kind in KINDS:
                added.type = KINDS[kind]
            elif kind == "MetricType":
                added.type = FIELD.TYPE_ENUM
                added.type_name = f".{package}.{kind}"
            else:
                added.type = FIELD.TYPE_MESSAGE
                added.type_name = kind if kind.startswith(".") else f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    time = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(time)
    pool.Add(time)
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName(f"{package}.MetricFamily")
    return message_factory.GetMessageClass(descriptor)


MetricFamily = _family_class()


def families(body):
    """Every family of a delimited body; raises if a single byte is out of place."""
    at = 0
    while at < len(body):
        length = shift = 0
        while True:
            byte = body[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if at + length > len(body):
            raise ValueError(f"a family of {length} bytes in {len(body) - at}")
        family = MetricFamily()
        family.ParseFromString(body[at : at + length])
        at += length
        yield family


def delimited(families):
    """The families as a body."""
    body = bytearray()
    for family in families:
        message = family.SerializeToString()
        length = len(message)
        while length >= 0x80:
            body.append(length & 0x7F | 0x80)
            length >>= 7
        body.append(length)
        body += message
    return bytes(body)


def samples(family):
    """A family's samples as text would have them: name, labels, value, milliseconds."""
    name = family.name
    for metric in family.metric:
        labels = tuple((pair.name, pair.value) for pair in metric.label)
        at = metric.timestamp_ms if metric.HasField("timestamp_ms") else None
        kind = TYPES[family.type]
        of = getattr(metric, "histogram" if "HISTOGRAM" in kind else kind.lower())
        if "HISTOGRAM" in kind:
            sum_, count = ("gsum", "gcount") if kind == "GAUGE_HISTOGRAM" else ("sum", "count")
            total = of.sample_count_float or of.sample_count
            whole = False
            for bucket in of.bucket:
                whole |= bucket.upper_bound == float("inf")
                value = bucket.cumulative_count_float or bucket.cumulative_count
                yield f"{name}_bucket", labels + (("le", bucket.upper_bound),), value, at
            if not whole:
                yield f"{name}_bucket", labels + (("le", float("inf")),), total, at
            yield f"{name}_{sum_}", labels, of.sample_sum, at
            yield f"{name}_{count}", labels, total, at
        elif kind == "SUMMARY":
            for quantile in of.quantile:
                yield name, labels + (("quantile", quantile.quantile),), quantile.value, at
            yield f"{name}_sum", labels, of.sample_sum, at
            yield f"{name}_count", labels, of.sample_count, at
        else:
            yield name, labels, of.value, at
        if kind not in ("GAUGE", "UNTYPED") and of.HasField("created_timestamp"):
            time = of.created_timestamp
            stem = name.removesuffix("_total") if kind == "COUNTER" else name
            yield f"{stem}_created", labels, time.seconds + time.nanos / 1e9, at
