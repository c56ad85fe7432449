//! Finds definitions that call themselves with filters as arguments.
//!
//! Each such call nests one more closure, and jaq frees a nest of closures recursively: a million of
//! them would overflow the stack where no meter runs. Recursion without filter arguments nests
//! nothing and is left to the meter. jq has no mutual recursion, so a definition's own body tells.

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    path::Part,
};

/// A definition of this term that must be refused.
pub(super) fn refused<'s>(term: &Term<&'s str>) -> Option<&'s str> {
    let mut found = None;
    each(term, &mut |term| {
        if let Term::Def(definitions, _) = term {
            let bad = definitions.iter().find(|def| is_refused(def));
            found = found.or(bad.map(|def| def.name));
        }
    });
    found
}

fn is_refused(def: &Def<&str>) -> bool {
    let mut calls = false;
    each(&def.body, &mut |term| {
        if let Term::Call(name, args) = term {
            calls |= *name == def.name && args.len() == def.args.len();
        }
    });
    calls && def.args.iter().any(|arg| !arg.starts_with('$'))
}

/// Visits a term and all terms in it.
fn each<'t, 's>(term: &'t Term<&'s str>, visit: &mut impl FnMut(&'t Term<&'s str>)) {
    let mut open = vec![term];
    while let Some(term) = open.pop() {
        visit(term);
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => {}
            Term::Str(_, parts) => open.extend(parts.iter().filter_map(|part| match part {
                StrPart::Term(term) => Some(term),
                StrPart::Str(_) | StrPart::Char(_) => None,
            })),
            Term::Arr(inner) => open.extend(inner.as_deref()),
            Term::Obj(members) => {
                open.extend(members.iter().flat_map(|(k, v)| [Some(k), v.as_ref()]).flatten());
            }
            Term::Neg(inner) | Term::Label(_, inner) => open.push(inner),
            Term::BinOp(left, op, right) => {
                open.extend([&**left, &**right]);
                if let BinaryOp::Pipe(Some(pattern)) = op {
                    keys(pattern, &mut open);
                }
            }
            Term::Fold(_, over, pattern, rest) => {
                open.push(over);
                open.extend(rest);
                keys(pattern, &mut open);
            }
            Term::TryCatch(body, handler) => {
                open.push(body);
                open.extend(handler.as_deref());
            }
            Term::IfThenElse(branches, otherwise) => {
                open.extend(branches.iter().flat_map(|(a, b)| [a, b]));
                open.extend(otherwise.as_deref());
            }
            Term::Def(definitions, rest) => {
                open.extend(definitions.iter().map(|def| &def.body));
                open.push(rest);
            }
            Term::Call(_, args) => open.extend(args),
            Term::Path(head, path) => {
                open.push(head);
                open.extend(
                    path.0
                        .iter()
                        .flat_map(|(part, _)| match part {
                            Part::Index(index) => [Some(index), None],
                            Part::Range(from, to) => [from.as_ref(), to.as_ref()],
                        })
                        .flatten(),
                );
            }
        }
    }
}

/// Terms inside a pattern.
fn keys<'t, 's>(pattern: &'t Pattern<&'s str>, open: &mut Vec<&'t Term<&'s str>>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(patterns) => patterns.iter().for_each(|pattern| keys(pattern, open)),
        Pattern::Obj(members) => members.iter().for_each(|(key, pattern)| {
            open.push(key);
            keys(pattern, open);
        }),
    }
}
