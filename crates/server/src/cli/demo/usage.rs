//! What the demo's nightly export has done with its keypair, night by night.

use domain::{Activity, Call, Keypair, Program, Scope, USAGE_KEPT, Usage, utc_date};

use super::answers::{DAYS, Days};

/// The usage up to now: each night a token, the list of environments, and reports of them.
pub(super) fn nightly(keypair: &Keypair, days: Days) -> Vec<Usage> {
    let nights = (DAYS - i64::from(USAGE_KEPT)).max(1)..DAYS;
    let night = |day: i64| {
        let at = days.at(day, 2 * 60 + day % 4);
        // Mondays bring the week's reports too; a retry now and then takes another token.
        let reports = if day % 7 == 0 { 64 } else { 22 + day * 37 % 9 };
        let done = [
            (Activity::Token, 1 + i64::from(day % 11 == 0)),
            (Activity::Request("listEnvironments".into(), None), 1),
            (Activity::Request("reportOverview".into(), Some(Scope::ReportRead)), reports),
            (Activity::Request("reportQuery".into(), Some(Scope::ReportRead)), reports / 3),
        ];
        done.into_iter().map(move |(activity, count)| {
            let last = Call {
                at,
                address: Some(std::net::Ipv4Addr::new(192, 0, 2, 40).into()),
                program: Program::from_user_agent("warehouse-export/3.1"),
            };
            Usage { keypair: keypair.id, day: utc_date(at), activity, count: count.unsigned_abs(), last }
        })
    };
    nights.flat_map(night).filter(|usage| usage.last.at <= days.now).collect()
}
