//! A service with the one that it extends, in its file or in another.

use super::super::service::{BuildContext, Service, WrittenValue};
use super::{DEEPEST, Loader, Node, shown};
use crate::text::Quoted;
use std::path::{Path, PathBuf};
use std::rc::Rc;

impl Loader<'_, '_> {
    /// A service with what it extends below it.
    pub(super) fn service(
        &mut self,
        context: &BuildContext<'_>,
        documents: &[Rc<Node>],
        node: &Node,
        chain: &mut Vec<(PathBuf, String)>,
    ) -> Service {
        self.services = self.services.saturating_sub(1);
        let own = context.service(node);
        let Some(extends) = node.some("extends") else {
            return own;
        };
        let name = extends.some("service").unwrap_or(extends);
        let Some(name) = context.written(name) else { return own };
        let wanted = name.text().unwrap_or_default().to_owned();
        let below = match extends.some("file").and_then(|file| context.written(file)) {
            None => self.extended(context, documents, &name, &wanted, chain),
            Some(file) => {
                let Some(path) = self.existing_path(&file, &context.folder, "it extends a service of") else {
                    return own;
                };
                let Ok(text) = self.files.text(&path) else { return own };
                let Some(documents) = self.documents(&path, &text) else {
                    return own;
                };
                let other = BuildContext {
                    file: path.as_path().into(),
                    text: &text,
                    environment: context.environment,
                    folder: path.parent().unwrap_or(Path::new("")).to_owned(),
                };
                self.extended(&other, &documents, &name, &wanted, chain)
            }
        };
        match below {
            Some(below) => own.over(below.inherited(&context.folder)),
            None => own,
        }
    }

    fn extended(
        &mut self,
        context: &BuildContext<'_>,
        documents: &[Rc<Node>],
        name: &WrittenValue,
        wanted: &str,
        chain: &mut Vec<(PathBuf, String)>,
    ) -> Option<Service> {
        let shown_name = Quoted::new(wanted).to_string();
        let found = documents
            .iter()
            .rev()
            .find_map(|document| document.some("services")?.get(wanted));
        let Some(node) = found else {
            let problem = format!(
                "it extends `{shown_name}`, and `{}` has no such service",
                shown(&context.file)
            );
            self.note(&name.file, Some(name.line), problem);
            return None;
        };
        let link = (context.file.to_path_buf(), wanted.to_owned());
        if chain.contains(&link) {
            let problem = format!("it extends `{shown_name}`, which extends it");
            self.note(&name.file, Some(name.line), problem);
            return None;
        }
        if chain.len() > DEEPEST || self.services == 0 {
            let problem =
                format!("it extends `{shown_name}`, which is not followed: too many services extend each other");
            self.note(&name.file, Some(name.line), problem);
            return None;
        }
        chain.push(link);
        let service = self.service(context, documents, node, chain);
        chain.pop();
        Some(service)
    }
}
