use super::*;
use proptest::prelude::*;

fn review(request: &Value) -> Vec<u8> {
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request })
        .to_string()
        .into_bytes()
}

fn creation() -> Value {
    json!({
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": { "group": "", "version": "v1", "kind": "Pod" },
        "resource": { "group": "", "version": "v1", "resource": "pods" },
        "namespace": "shop",
        "operation": "CREATE",
        "object": {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "generateName": "web-7d4f9c-" },
            "spec": { "containers": [] }
        },
        "oldObject": null,
        "dryRun": false
    })
}

fn read(change: impl FnOnce(&mut Value)) -> Result<Review, BadReview> {
    let mut request = creation();
    change(&mut request);
    Review::read(&review(&request))
}

#[test]
fn a_pod_without_a_name_is_called_by_what_its_name_begins_with() {
    let review = read(|_| {}).unwrap();
    assert_eq!((&*review.namespace, &*review.name), ("shop", "web-7d4f9c-*"));
    assert!(!review.dry_run);
    assert!(matches!(review.subject, Subject::NewPod(_)));
    let named = read(|request| request["object"]["metadata"] = json!({ "name": "a\nb" })).unwrap();
    assert_eq!(named.name, "a\\nb");
    let nameless = read(|request| request["object"]["metadata"] = json!({})).unwrap();
    assert_eq!(nameless.name, "(unnamed)");
}

#[test]
fn only_a_pod_that_is_to_be_made_is_looked_into() {
    type Change = fn(&mut Value);
    let others: [(Change, &str); 9] = [
        (|request| request["operation"] = json!("UPDATE"), "operation"),
        (|request| request["operation"] = json!("DELETE"), "operation"),
        (|request| request["operation"] = json!(null), "operation"),
        (
            |request| {
                request["operation"] = json!("CONNECT");
                request["subResource"] = json!("exec");
                request["object"] = json!({ "kind": "PodExecOptions" });
            },
            "subresource",
        ),
        (|request| request["subResource"] = json!("ephemeralcontainers"), "subresource"),
        (|request| request["resource"]["resource"] = json!("services"), "kind"),
        (|request| request["resource"]["group"] = json!("example.com"), "kind"),
        (|request| request["resource"]["version"] = json!("v2"), "kind"),
        (
            |request| {
                request["resource"] = json!(null);
                request["kind"]["kind"] = json!("Deployment");
            },
            "kind",
        ),
    ];
    for (change, word) in others {
        assert_eq!(read(change).map(|review| review.subject), Ok(Subject::Other(word)));
    }
}

#[test]
fn what_is_no_review_is_refused_with_a_sentence() {
    let sentence = |body: &[u8]| Review::read(body).unwrap_err().to_string();
    assert!(sentence(b"").starts_with("the body is no AdmissionReview: EOF"), "{}", sentence(b""));
    assert!(sentence(b"{\"kind\": ").contains("line 1 column 9"));
    assert_eq!(
        sentence(br#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#),
        "the body is AdmissionReview of admission.k8s.io/v1beta1, but this webhook speaks \
         AdmissionReview of admission.k8s.io/v1; set admissionReviewVersions: [v1]"
    );
    assert!(sentence(br#"{"apiVersion":"v1","kind":"Pod"}"#).starts_with("the body is Pod of v1,"));
    assert!(sentence(b"{}").starts_with("the body is nothing of nothing,"));
    assert_eq!(
        sentence(&review(&json!(null))),
        "the body is no AdmissionReview: it has no request"
    );
    assert_eq!(
        sentence(&review(&json!({ "uid": "" }))),
        "the body is no AdmissionReview: it has no request.uid"
    );
    let refused = |change: fn(&mut Value)| read(change).unwrap_err();
    let no_pod = |found: &str| BadReview::NoPod { found: found.to_owned() };
    assert_eq!(refused(|request| request["object"] = json!(null)), no_pod("missing"));
    assert_eq!(refused(|request| request["object"] = json!([1])), no_pod("no object"));
    assert_eq!(refused(|request| request["object"]["kind"] = json!("Job")), no_pod("a Job"));
    let heavy = refused(|request| request["object"]["a"] = json!(vec![1; weight::MOST]));
    assert_eq!(heavy, BadReview::Heavy);
}

#[test]
fn the_answer_repeats_the_uid_and_carries_the_patch_in_base64() {
    let operations = json!([{ "op": "add", "path": "/spec/containers/-", "value": {} }]);
    let answer: Value =
        serde_json::from_slice(&answer("u-1", &Verdict::Patch(operations.clone(), Vec::new())))
            .unwrap();
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    let response = &answer["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(true)));
    assert_eq!(response["patchType"], "JSONPatch");
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&patch).unwrap(), operations);
}

#[test]
fn a_pod_that_is_left_alone_has_no_patch_and_one_that_is_denied_says_why() {
    let said = |verdict| serde_json::from_slice::<Value>(&answer("u", &verdict)).unwrap();
    let untouched = said(Verdict::Untouched(Vec::new()));
    assert_eq!(untouched["response"], json!({ "uid": "u", "allowed": true }));
    let warned = said(Verdict::Untouched(vec!["a\nb".to_owned() + &"c".repeat(300)]));
    let warning = warned["response"]["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("a\\nbcc") && warning.len() <= 256, "{warning}");
    let denied = said(Verdict::Denied("no".to_owned()));
    assert_eq!(denied["response"]["allowed"], json!(false));
    assert_eq!(denied["response"]["status"]["message"], "no");
}

proptest! {
    #[test]
    fn whatever_comes_is_understood_or_refused_in_one_line(body in "\\PC{0,80}") {
        if let Err(error) = Review::read(body.as_bytes()) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn the_uid_comes_back_whatever_it_is(uid in "\\PC{1,60}") {
        let review = read(|request| request["uid"] = json!(uid)).unwrap();
        let answer: Value =
            serde_json::from_slice(&answer(&review.uid, &Verdict::Untouched(Vec::new()))).unwrap();
        prop_assert_eq!(&answer["response"]["uid"], &json!(uid));
    }
}
