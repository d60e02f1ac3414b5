//! login
use super::Run;
use crate::failure::Failure;
use crate::request::Login;
pub(super) async fn run(run: &Run, _login: &Login) -> Result<String, Failure> {
    let credential = run.access.sign_in().await?;
    Ok(format!("{}", credential.username))
}
