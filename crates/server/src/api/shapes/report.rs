use domain::{Date, Period, Point, QueryId, QueryStatistics, Scores, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// Totals, distribution, average and unique counts of a period.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Report)]
pub(crate) struct ReportShape {
    /// The first day, in UTC.
    #[schema(value_type = String, format = Date)]
    from: Date,
    /// The last day.
    #[schema(value_type = String, format = Date)]
    to: Date,
    /// Whether the whole period is one point.
    combined: bool,
    /// One point, or one for every day of the period, the earliest first.
    points: Vec<PointShape>,
    /// With `history`: a point for each preceding period of the same length, the nearest first.
    history: Vec<PointShape>,
}

/// What a report says of one day, or of one period.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Point)]
pub(crate) struct PointShape {
    /// Its first day, in UTC.
    #[schema(value_type = String, format = Date)]
    from: Date,
    /// Its last day.
    #[schema(value_type = String, format = Date)]
    to: Date,
    /// How many responses there are.
    responses: u64,
    /// How many different people answered; who answered on several days counts once.
    respondents: u64,
    /// From how many different machines.
    machines: u64,
    /// The mean score; `null` without a response.
    average_score: Option<f64>,
    /// How many responses gave each score.
    scores: ScoresShape,
}

/// How many responses gave each score.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Scores)]
struct ScoresShape {
    /// The worst.
    #[serde(rename = "1")]
    one: u64,
    #[serde(rename = "2")]
    two: u64,
    #[serde(rename = "3")]
    three: u64,
    #[serde(rename = "4")]
    four: u64,
    /// The best.
    #[serde(rename = "5")]
    five: u64,
}

/// All that was ever answered to one query.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = QueryStatistics)]
pub(crate) struct QueryStatisticsShape {
    /// The query.
    #[schema(example = "qry_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    query_id: String,
    /// How many responses there are.
    responses: u64,
    /// How many different people answered.
    respondents: u64,
    /// From how many different machines.
    machines: u64,
    /// The mean score; `null` without a response.
    average_score: Option<f64>,
    /// How many responses gave each score.
    scores: ScoresShape,
    /// The earliest response; `null` without one.
    #[schema(value_type = Option<String>, format = DateTime)]
    first_response_at: Option<Timestamp>,
    /// The latest response; `null` without one.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_response_at: Option<Timestamp>,
}

impl ReportShape {
    /// A report with a point for each day.
    pub(crate) fn per_day(period: Period, days: &[Point]) -> Self {
        Self::new(period, false, days, &[])
    }

    /// A report with one point, and those of the preceding periods.
    pub(crate) fn combined(whole: &Point, history: &[Point]) -> Self {
        Self::new(whole.period, true, std::slice::from_ref(whole), history)
    }

    fn new(period: Period, combined: bool, points: &[Point], history: &[Point]) -> Self {
        Self {
            from: period.from(),
            to: period.to(),
            combined,
            points: points.iter().map(PointShape::from).collect(),
            history: history.iter().map(PointShape::from).collect(),
        }
    }
}

impl From<&Point> for PointShape {
    fn from(point: &Point) -> Self {
        Self {
            from: point.period.from(),
            to: point.period.to(),
            responses: point.scores.responses(),
            respondents: point.respondents,
            machines: point.machines,
            average_score: point.scores.average(),
            scores: point.scores.into(),
        }
    }
}

impl From<Scores> for ScoresShape {
    fn from(Scores([one, two, three, four, five]): Scores) -> Self {
        Self { one, two, three, four, five }
    }
}

impl QueryStatisticsShape {
    /// The statistics of `query`.
    pub(crate) fn new(query: QueryId, statistics: &QueryStatistics) -> Self {
        Self {
            query_id: query.to_string(),
            responses: statistics.scores.responses(),
            respondents: statistics.respondents,
            machines: statistics.machines,
            average_score: statistics.scores.average(),
            scores: statistics.scores.into(),
            first_response_at: statistics.first_response_at,
            last_response_at: statistics.last_response_at,
        }
    }
}
