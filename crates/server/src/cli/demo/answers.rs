//! The demo's responses: busy weekdays and quiet Sundays, more or fewer from week to week, moods that move.

use domain::{Environment, NewResponse, Query, Timestamp, from_millis, new_id};

use super::company::{Asked, Machines, Site, Told};
use super::entropy::Seeded;
use crate::app::App;

/// How many days there are, today included.
pub(super) const DAYS: i64 = 56;

const DAY: i64 = 86_400_000;

/// How busy the hours of a day are, from 6 to 22 o'clock.
const HOURS: [f64; 16] = [0.4, 1.0, 1.8, 2.2, 2.3, 2.1, 1.9, 1.7, 1.6, 1.7, 1.9, 2.2, 2.0, 1.4, 0.9, 0.4];

/// The demo's days, ending with the one of `now`.
#[derive(Clone, Copy)]
pub(super) struct Days {
    pub(super) now: Timestamp,
    /// The first midnight, in UTC.
    start: i64,
}

impl Days {
    /// Those that end with the day of `now`.
    pub(super) fn until(now: Timestamp) -> Self {
        let today = now.as_millisecond().div_euclid(DAY);
        Self { now, start: (today + 1 - DAYS) * DAY }
    }

    /// The instant so many days and minutes after the start.
    pub(super) fn at(self, day: i64, minute: i64) -> Timestamp {
        from_millis(self.start + day * DAY + minute * 60_000)
    }

    /// Which day of the week it is, from Monday on.
    fn weekday(self, day: i64) -> usize {
        // The epoch was a Thursday.
        usize::try_from((self.start / DAY + day + 3).rem_euclid(7)).unwrap_or_default()
    }
}

/// Every response of an environment, the earliest day first.
pub(super) fn of(
    app: &App,
    days: Days,
    site: &Site,
    environment: &Environment,
    queries: &[(Query, &Asked)],
    random: &Seeded,
) -> Vec<NewResponse> {
    let mut responses = Vec::new();
    for day in 0..DAYS {
        let open: Vec<_> = queries
            .iter()
            .filter(|(query, asked)| {
                query.environment == environment.id
                    && asked.opened < day
                    && asked.closed.is_none_or(|closed| day < closed)
            })
            .map(|(query, asked)| (Some(query.id), &asked.told))
            .chain([(None, &site.spontaneous)])
            .collect();
        let weights: Vec<_> = open.iter().map(|(_, told)| told.weight).collect();
        for _ in 0..how_many(days, site, day, random) {
            let at = moment(days, day, random);
            // Of today, only what lies behind.
            let (true, Some((query, told))) = (at < days.now, open.get(random.weighted(&weights))) else {
                continue;
            };
            let score = score(told, day, random);
            let (respondent, machine) = who(site, random);
            responses.push(NewResponse {
                id: new_id(at, random),
                external_id: None,
                query: *query,
                score,
                text: text(told, score, random),
                respondent: respondent.map(|name| app.person_hash(environment.id, "respondent", &name)),
                machine: Some(app.person_hash(environment.id, "machine", &machine)),
                at,
            });
        }
    }
    responses
}

fn progress(day: i64) -> f64 {
    day as f64 / (DAYS - 1) as f64
}

fn how_many(days: Days, site: &Site, day: i64, random: &Seeded) -> u32 {
    let weekday = site.week.get(days.weekday(day)).copied().unwrap_or(1.0);
    let chance = 0.85 + 0.3 * random.unit();
    (site.a_day * weekday * (1.0 + site.growth * progress(day)) * chance).round() as u32
}

fn moment(days: Days, day: i64, random: &Seeded) -> Timestamp {
    let hour = 6 + random.weighted(&HOURS) as i64;
    let seconds = random.below(3600) as i64;
    from_millis(days.at(day, hour * 60).as_millisecond() + seconds * 1000 + random.below(1000) as i64)
}

/// The scores lie around the one that most give, which moves from the first day to the last.
fn score(told: &Told, day: i64, random: &Seeded) -> u8 {
    let middle = told.from + (told.to - told.from) * progress(day);
    let weights = [1.0, 2.0, 3.0, 4.0, 5.0].map(|score: f64| (-(score - middle).powi(2) / 2.2).exp());
    1 + random.weighted(&weights) as u8
}

fn text(told: &Told, score: u8, random: &Seeded) -> Option<String> {
    if !random.happens(told.text) {
        return None;
    }
    let mood = match score {
        1 | 2 => 0,
        3 => 1,
        _ => 2,
    };
    told.words.get(mood).and_then(|words| random.one_of(words)).map(str::to_owned)
}

/// Who answers, if that is known, and on what. Some answer often, most now and then.
fn who(site: &Site, random: &Seeded) -> (Option<String>, String) {
    let person = (random.unit().powf(1.6) * site.people as f64) as usize;
    match site.machines {
        Machines::Own => {
            let device = if random.happens(0.3) { "phone" } else { "desk" };
            (Some(format!("customer-{person}")), format!("{device}-{person}"))
        }
        Machines::Terminals(count) => {
            let known = random.happens(0.55);
            (known.then(|| format!("visitor-{person}")), format!("kiosk-{}", random.below(count)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_end_today() {
        let days = Days::until("2026-03-04T10:20:30Z".parse().unwrap());
        assert_eq!(days.at(DAYS - 1, 0).to_string(), "2026-03-04T00:00:00Z");
        assert_eq!(days.weekday(DAYS - 1), 2, "a Wednesday");
    }

    #[test]
    fn moods_move() {
        let told = Told { weight: 1.0, from: 2.0, to: 4.0, text: 0.0, words: [&[], &[], &[]] };
        let random = Seeded::new(1);
        let mean = |day| (0..500).map(|_| f64::from(score(&told, day, &random))).sum::<f64>() / 500.0;
        assert!(mean(DAYS - 1) - mean(0) > 1.0);
    }
}
