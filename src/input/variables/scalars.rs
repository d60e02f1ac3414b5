//! The variables that are no lists, each as a text.

use crate::text::Secret;
use serde::Deserialize;

/// What is written in each variable that is no list, and what Pipelines says; empty ones are absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[allow(missing_docs, reason = "the names are the variables'")]
pub(crate) struct Scalars {
    pub action: Option<String>,
    pub source: Option<String>,
    pub target: Option<String>,
    pub to: Option<String>,
    pub platform: Option<String>,
    pub on_existing: Option<String>,
    pub wait: Option<String>,
    pub atlassian_account_email: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub atlassian_api_token: Option<Secret>,
    pub bitbucket_packages_username: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub bitbucket_packages_token: Option<Secret>,
    pub credential: Option<String>,
    pub allow_unsupported_token: Option<String>,
    pub token_expires_on: Option<String>,
    pub source_username: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub source_password: Option<Secret>,
    pub referrers: Option<String>,
    pub shard: Option<String>,
    pub keep: Option<String>,
    pub older_than: Option<String>,
    pub dry_run: Option<String>,
    pub docker_config: Option<String>,
    pub pull_secret: Option<String>,
    pub pull_secret_name: Option<String>,
    pub registry: Option<String>,
    pub ca_certificate: Option<String>,
    pub report: Option<String>,
    pub output_env: Option<String>,
    pub code_insights: Option<String>,
    pub concurrency: Option<String>,
    pub retries: Option<String>,
    pub timeout: Option<String>,
    pub debug: Option<String>,
    pub bitbucket_workspace: Option<String>,
    pub bitbucket_repo_full_name: Option<String>,
    pub bitbucket_repo_slug: Option<String>,
    pub bitbucket_commit: Option<String>,
    pub bitbucket_build_number: Option<String>,
    pub bitbucket_clone_dir: Option<String>,
    pub bitbucket_pipe_storage_dir: Option<String>,
    pub bitbucket_parallel_step: Option<String>,
    pub bitbucket_parallel_step_count: Option<String>,
    pub docker_host: Option<String>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}
