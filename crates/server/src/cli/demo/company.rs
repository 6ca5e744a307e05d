//! The made-up customer of the demo: what it asks, and what people say.

/// The account's name.
pub(super) const ACCOUNT: &str = "Fernvale Parcels";

/// What comes after the `@` of its people; a domain that can't be anybody's (RFC 2606).
pub(super) const DOMAIN: &str = "fernvale.example";

/// An environment and the feedback that it collects.
pub(super) struct Site {
    pub(super) name: &'static str,
    /// How many responses an ordinary weekday brings.
    pub(super) a_day: f64,
    /// From Monday to Sunday, how much of that comes.
    pub(super) week: [f64; 7],
    /// How much more comes by the end than at the start.
    pub(super) growth: f64,
    pub(super) people: usize,
    pub(super) machines: Machines,
    pub(super) queries: &'static [Asked],
    /// What is said without being asked.
    pub(super) spontaneous: Told,
}

/// On what people answer.
pub(super) enum Machines {
    /// On their own.
    Own,
    /// On so many terminals, where they often stay unknown.
    Terminals(usize),
}

/// A query, by days from the start of the demo's weeks.
pub(super) struct Asked {
    pub(super) title: &'static str,
    pub(super) question: &'static str,
    pub(super) opened: i64,
    pub(super) closed: Option<i64>,
    pub(super) told: Told,
}

/// What the answers are like.
pub(super) struct Told {
    /// How much of the day's responses these are, beside the others'.
    pub(super) weight: f64,
    /// The score that most give at first, and by the end.
    pub(super) from: f64,
    pub(super) to: f64,
    /// How many write something.
    pub(super) text: f64,
    /// What the unhappy, the undecided and the happy write.
    pub(super) words: [&'static [&'static str]; 3],
}

pub(super) static SITES: [Site; 2] = [
    Site {
        name: "Customer portal",
        a_day: 58.0,
        week: [1.15, 1.05, 1.0, 0.95, 1.1, 0.6, 0.45],
        growth: 0.35,
        people: 420,
        machines: Machines::Own,
        queries: &[
            Asked {
                title: "Booking a delivery",
                question: "How easy was it to book your delivery today?",
                opened: 0,
                closed: None,
                told: Told { weight: 4.0, from: 3.6, to: 4.4, text: 0.12, words: BOOKING },
            },
            Asked {
                title: "Delivery updates",
                question: "How well did we keep you informed while your parcel was on its way?",
                opened: 3,
                closed: None,
                told: Told { weight: 3.0, from: 3.9, to: 3.3, text: 0.15, words: UPDATES },
            },
            Asked {
                title: "New tracking page",
                question: "How do you like the new tracking page?",
                opened: 14,
                closed: Some(42),
                told: Told { weight: 2.0, from: 3.0, to: 4.3, text: 0.2, words: TRACKING },
            },
        ],
        spontaneous: Told { weight: 1.2, from: 3.2, to: 3.6, text: 0.85, words: PORTAL },
    },
    Site {
        name: "Depot kiosks",
        a_day: 34.0,
        week: [0.9, 0.9, 0.95, 1.0, 1.2, 1.5, 0.1],
        growth: -0.1,
        people: 260,
        machines: Machines::Terminals(18),
        queries: &[
            Asked {
                title: "Collecting a parcel",
                question: "How quickly could you collect your parcel?",
                opened: 0,
                closed: None,
                told: Told { weight: 5.0, from: 4.0, to: 4.2, text: 0.05, words: COLLECTING },
            },
            Asked {
                title: "Saturday evenings",
                question: "Would you use the depot on a Saturday evening?",
                opened: 10,
                closed: Some(38),
                told: Told { weight: 1.5, from: 3.4, to: 3.7, text: 0.1, words: EVENINGS },
            },
        ],
        spontaneous: Told { weight: 0.8, from: 3.0, to: 3.4, text: 0.7, words: DEPOT },
    },
];

const BOOKING: [&[&str]; 3] = [
    &[
        "The price changed between two pages.",
        "I had to enter my address three times.",
        "Paying failed twice.",
    ],
    &["Fine, once I found where to start.", "A bit many steps.", "Works, but slow on my phone."],
    &["Two minutes and done.", "The saved addresses are a great help.", "Clear prices, thank you."],
];

const UPDATES: [&[&str]; 3] = [
    &["No message until it was at the door.", "The time kept moving.", "Three mails, each with another day."],
    &[
        "A shorter time window would help.",
        "Enough, though rather late.",
        "I only saw the mail, not the text message.",
    ],
    &[
        "I knew to the half hour.",
        "The driver's position is a lovely touch.",
        "Just the right number of messages.",
    ],
];

const TRACKING: [&[&str]; 3] = [
    &[
        "The map takes ages.",
        "I can't find the parcel number any more.",
        "The old one told me more at a glance.",
    ],
    &["Nice, but the colours are hard to tell apart.", "Getting used to it.", "The map could be smaller."],
    &["Much clearer than before.", "Finally readable on a phone.", "I like the steps at the top."],
];

const PORTAL: [&[&str]; 3] = [
    &[
        "Please let me change the day without ringing you.",
        "Invoices are impossible to find.",
        "I was signed out in the middle of a booking.",
        "The parcel was left in the rain.",
        "The search finds nothing with a space in the number.",
    ],
    &[
        "Could you offer pick-up on Saturdays?",
        "A dark mode would be kind to my eyes.",
        "Exporting to a spreadsheet would save me an hour a week.",
        "It is all right, but the old address book was handier.",
    ],
    &[
        "The driver carried it up to the third floor. Thank you!",
        "Best portal of all the carriers we use.",
        "Support answered within ten minutes.",
        "Booking returns has become really easy.",
    ],
];

const COLLECTING: [&[&str]; 3] = [
    &["Ten people in front of me, one desk.", "The code did not work.", "The locker was jammed."],
    &["Some waiting, but friendly.", "Found it on the second try.", "A sign at the entrance would help."],
    &["In and out in a minute.", "Very friendly at the desk.", "The lockers are brilliant."],
];

const EVENINGS: [&[&str]; 3] = [
    &["Rather early in the morning.", "No bus at that time."],
    &["Perhaps before holidays.", "If parking stays free."],
    &["Yes, please!", "That would suit me much better than Fridays."],
];

const DEPOT: [&[&str]; 3] = [
    &[
        "The screen hardly reacts.",
        "No room to turn with a pram.",
        "It was closed although the page said open.",
    ],
    &["Please put a bin by the door.", "A bench would be nice.", "The screen is too high for me."],
    &[
        "Clean and quick.",
        "The lady at the desk found my parcel without the code. Thank you!",
        "Good opening hours.",
    ],
];
