//! scratch
#[test]
fn scratch() {
    use podmeter::exposition::*;
    for f in
        ["prom_createTestProtoBuf_0.bin", "prometheus_common_protobuf.bin", "broken_truncated.bin"]
    {
        let body = std::fs::read(format!("../shared/data/corpora/protobuf/{f}")).unwrap();
        let read = parse(&body, InputFormat::Unknown);
        println!("{f} {:?}", read.problems.first());
        let n: usize = read.families.iter().map(|f| f.samples().len()).sum();
        println!("{} families {} samples", read.families.len(), n);
        let merged = merge(vec![], vec![Source::new("app", read)]);
        println!("{:?}", merged.outcomes()[0].dropped.iter().collect::<Vec<_>>());
        for format in [Format::TEXT, Format::OPENMETRICS] {
            let mut out = Vec::new();
            render(&merged, format, &mut out);
            println!("{}", String::from_utf8_lossy(&out[..out.len().min(9000)]));
        }
        let mut out = Vec::new();
        render(&merged, Format::PROTOBUF, &mut out);
        println!("{} -> {} same {}", body.len(), out.len(), body == out);
        std::fs::write(format!("/tmp/{f}.out"), &out).unwrap();
        let again = parse(&out, InputFormat::Protobuf);
        println!("{:?}", again.problems.first());
        let merged2 = merge(vec![], vec![Source::new("app", again)]);
        let mut out2 = Vec::new();
        render(&merged2, Format::PROTOBUF, &mut out2);
        println!("stable {}", out == out2);
    }
}
