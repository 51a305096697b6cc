//! The services for OCR and translation, simulated: they fail at random.

use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use crate::error::ServiceError;

// Chances are digests of names in this namespace: they depend on what is named, and on nothing else.
const CHANCES: Uuid = uuid!("1c9c6c0e-53b4-4d0f-9a35-7f6d8f0c2e11");

/// The OCR gives this many characters of a document.
const EXTRACT: usize = 50;

/// Both services. Whether an attempt fails is a function of the seed, the service, what it is asked for, and which
/// attempt it is: not of the invocation, the time, or what was asked before.
#[derive(Debug)]
pub(crate) struct Services {
    seed: u64,
}

impl Services {
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self { seed }
    }

    /// Extracts the text of a document. Of all attempts 15 percent do not reach the service, and 5 percent find the document
    /// invalid.
    pub(crate) fn recognize(&self, attempt: u32, file_id: &str, content: &str) -> Result<String, ServiceError> {
        let chance = self.chance("ocr", &json!([file_id]), attempt);
        if chance < 0.15 {
            return Err(ServiceError::Network("OCR service timeout".to_owned()));
        }
        if chance < 0.20 {
            return Err(ServiceError::InvalidDocument("Unsupported document format".to_owned()));
        }
        let extract: String = content.chars().take(EXTRACT).collect();
        Ok(format!("Extracted text from document: {extract}..."))
    }

    /// Translates the text of a document. Of all attempts 10 percent do not reach the service, and 3 percent find its quota
    /// exceeded.
    pub(crate) fn translate(
        &self,
        attempt: u32,
        file_id: &str,
        language: &str,
        text: &str,
    ) -> Result<String, ServiceError> {
        let chance = self.chance("translation", &json!([file_id, language]), attempt);
        if chance < 0.10 {
            return Err(ServiceError::Network("Translation service timeout".to_owned()));
        }
        if chance < 0.13 {
            return Err(ServiceError::QuotaExceeded("Daily translation quota exceeded".to_owned()));
        }
        Ok(format!("[{language}] {text}"))
    }

    /// Gives a number from 0 up to 1, without 1.
    fn chance(&self, service: &str, about: &Value, attempt: u32) -> f64 {
        let name = json!([self.seed, service, about, attempt]).to_string();
        let (bits, ..) = Uuid::new_v5(&CHANCES, name.as_bytes()).as_fields();
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending<T>(result: &Result<T, ServiceError>) -> &'static str {
        match result {
            Ok(_) => "done",
            Err(ServiceError::Network(_)) => "network",
            Err(ServiceError::InvalidDocument(_)) => "invalid",
            Err(ServiceError::QuotaExceeded(_)) => "quota",
            Err(ServiceError::InDoubt(_)) => "in doubt",
        }
    }

    /// Of 20 000 documents, how many percent end so.
    fn percent(ending_is: &str, end: impl Fn(&str) -> &'static str) -> f64 {
        let ends = (0..20_000).filter(|n| end(&format!("file-{n}")) == ending_is).count();
        f64::from(u32::try_from(ends).expect("at most 20 000")) / 200.0
    }

    #[test]
    fn services_fail_as_often_as_is_said() {
        let services = Services::with_seed(1);
        let ocr = |file: &str| ending(&services.recognize(1, file, ""));
        let translation = |file: &str| ending(&services.translate(1, file, "en", ""));
        let near = |percent: f64, said: f64| assert!((percent - said).abs() < 1.0, "{percent} percent, not {said}");
        near(percent("network", ocr), 15.0);
        near(percent("invalid", ocr), 5.0);
        near(percent("network", translation), 10.0);
        near(percent("quota", translation), 3.0);
    }

    #[test]
    fn chance_depends_on_seed_service_file_language_and_attempt_only() {
        let chance =
            |seed, service, about, attempt| Services::with_seed(seed).chance(service, &about, attempt).to_bits();
        let one = chance(1, "translation", json!(["a", "en"]), 1);
        assert_eq!(one, chance(1, "translation", json!(["a", "en"]), 1));
        let others = [
            chance(2, "translation", json!(["a", "en"]), 1),
            chance(1, "ocr", json!(["a", "en"]), 1),
            chance(1, "translation", json!(["b", "en"]), 1),
            chance(1, "translation", json!(["a", "de"]), 1),
            chance(1, "translation", json!(["a", "en"]), 2),
        ];
        assert!(!others.contains(&one));
    }

    #[test]
    fn seed_gives_the_same_failures_on_every_machine() {
        let services = Services::with_seed(563);
        let attempts = |attempt: &dyn Fn(u32) -> &'static str| [1, 2, 3].map(attempt);
        assert_eq!(attempts(&|n| ending(&services.recognize(n, "file-5", ""))), ["network"; 3]);
        assert_eq!(ending(&services.recognize(1, "file-2", "")), "invalid");
        assert_eq!(ending(&services.translate(1, "file-18", "de", "")), "quota");
        assert_eq!(attempts(&|n| ending(&services.translate(n, "file-20", "de", ""))), ["network"; 3]);
    }

    #[test]
    fn extract_is_counted_in_characters_and_ends_in_dots() {
        let services = Services::with_seed(563);
        let extract = |content: &str| services.recognize(1, "file-1", content).expect("this attempt succeeds");
        assert_eq!(extract(""), "Extracted text from document: ...");
        assert_eq!(extract("short"), "Extracted text from document: short...");
        let long = "ä€😀".repeat(20);
        let expected: String = "ä€😀".repeat(16) + "ä€";
        assert_eq!(extract(&long), format!("Extracted text from document: {expected}..."));
    }
}
