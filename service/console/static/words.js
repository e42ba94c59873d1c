// Explanations of phases, conditions, refusals and problems, and what would change them.

/** What an account in a phase can do. */
export const PHASES = {
  Ready: "It takes new bindings and pays for its projects",
  Provisioning: "Currency or payment terms are missing: it takes no new bindings yet",
  Incomplete: "No attached payment profile is valid: it takes no new bindings",
  Suspended: "A hold is active: it still pays for its projects, but takes no new bindings",
  Archived: "Closed for good: read-only",
};

/** What has to happen for a condition to become true. */
const CONDITIONS = {
  ConfigurationMissing: "Set currency and payment terms: UpdateAccount.",
  PaymentProfileMissing: "Attach a payment profile: AttachPaymentProfile.",
  PaymentProfileNotFound: "Payments has not reported the attached profile yet. Wait, or attach another one.",
  PaymentProfileInvalid: "Wait until payments reports the profile as valid, or attach another one.",
  PaymentProfileExpired: "The profile has expired. Attach one that has not.",
  PaymentProfileRemoved: "The profile was removed for good. Attach another one.",
  PaymentProfileNotAllowed: "This kind of profile is not allowed here. Attach one of an allowed kind.",
  PaymentFailure: "Lift the hold: send RequestReactivation; another person then sends ApproveReactivation.",
  ComplianceViolation: "Lift the hold: send RequestReactivation; another person then sends ApproveReactivation.",
  Administrative: "Lift the hold: send RequestReactivation; another person then sends ApproveReactivation.",
  Closed: "Nothing: the account is closed for good.",
};

/** What to do about a refusal. */
const REFUSALS = {
  Unauthenticated: "Send it with a valid token, or with a well-formed authid.",
  Forbidden: "Request the role that is named, then send it again under a new id.",
  CommandIdReused: "Send it under a new id: a different command has already used this one.",
  Expired: "Send it again with a later expirytime, under a new id.",
  UnknownCommand: "Correct its type or version.",
  Invalid: "Correct the member that is named, and send it under a new id.",
  CardNumber: "Remove the card number. It was not stored.",
  AccountNotFound: "Create the account first, or correct its name.",
  AccountExists: "Choose another name: names are never reused.",
  AccountArchived: "Use another account: this one is closed for good.",
  ProjectNotFound: "Wait until the resource manager reports the project, or correct its name.",
  ProjectNotActive: "Wait until the project is Active again.",
  AccountNotReady: "Make the account Ready: its page shows what is missing.",
  AccountClosing: "Withdraw the closure (WithdrawClosure), or use another account.",
  PreconditionFailed: "The command expects another state. Check the current one, and send it with that.",
  CurrencyImmutable: "Use another account: once an account was Ready, its currency never changes.",
  CurrencyMismatch: "Report the balance in the account's currency.",
  UnsupportedPaymentProfile: "Attach a profile of a kind that is allowed.",
  InvalidTransition: "The state of the account does not allow this. Its page shows the state.",
  CauseUnresolved: "Send RequestReactivation first, and say how the cause was resolved.",
  SelfApproval: "Somebody other than the requester must approve it.",
  ActiveBindingsExist: "Move its projects to another account first: TransferProjects.",
  ChargesOutstanding: "Invoicing must report a balance of exactly zero, as of an instant after the last binding ended: ReportBalance.",
  TooManyProjects: "List the projects, and transfer at most 10,000 at a time.",
  Superseded: "Nothing: the scheduled binding no longer applies.",
};

/** What the user can do about a problem of the service. */
const PROBLEMS = {
  Unreachable: "Check that whopays serve is running and that this machine reaches it, then try again.",
  ProjectNotFound: "No project of this name was ever reported in this organization. Check both names.",
  AccountNotFound: "This organization has no account of this name. Check both names.",
  ResultNotFound: "No result of a command with this id is known here: the command was not answered yet, was refused without claiming its id, or its result is no longer kept.",
  ReplayNotFound: "There is no replay of this name.",
  EventsExpired: "These events are no longer kept. Start from the newest.",
  TooManyRequests: "The service is busy. Try again in a moment.",
  Unavailable: "The service cannot reach its database. See Health, and try again in a moment.",
  NotYetKnown: "The service has not caught up yet. Try again in a moment.",
  InvalidParameter: "Correct the values listed above.",
  Unauthenticated: "Sign in again.",
  Forbidden: "Request a role that covers it, then sign out and sign in again.",
};

export const liftOf = (reason) => REFUSALS[reason] ?? CONDITIONS[reason] ?? "Its message says what is wrong.";
export const remedyOf = (reason) => CONDITIONS[reason] ?? "Its message says what is missing.";
export const helpWith = (problem) => PROBLEMS[problem] ?? "Try again. If it keeps failing, look for the request's id in the log of the service.";

/** Return `CreateAccount` for `io.milo.billing.CreateAccount.v1`. */
export const shortType = (type) => type.split(".").at(-2) ?? type;

/** Return `1,234 projects`. */
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
