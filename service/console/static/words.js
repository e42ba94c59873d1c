// Explanations of phases, conditions, refusals and problems, and what would change them.

/** What an account in a phase can do. */
export const PHASES = {
  Ready: "Takes new bindings and pays for its projects",
  Provisioning: "Currency or payment terms are missing: it takes no new bindings yet",
  Incomplete: "No attached payment profile is valid: it takes no new bindings",
  Suspended: "A hold is active: it pays for what it has, and takes no new bindings",
  Archived: "Closed for good: read-only",
};

/** What has to happen for a condition to become true. */
const CONDITIONS = {
  ConfigurationMissing: "Set currency and payment terms: UpdateAccount.",
  PaymentProfileMissing: "Attach a payment profile: AttachPaymentProfile.",
  PaymentProfileNotFound: "Payments has not reported the attached profile yet. Wait for it, or attach another one.",
  PaymentProfileInvalid: "Payments must report the profile as valid, or attach another one.",
  PaymentProfileExpired: "The profile has expired. Attach one that has not.",
  PaymentProfileRemoved: "The profile was removed for good. Attach another one.",
  PaymentProfileNotAllowed: "This kind of profile is not allowed here. Attach one of an allowed kind.",
  PaymentFailure: "Lift the hold: RequestReactivation, then ApproveReactivation by somebody else.",
  ComplianceViolation: "Lift the hold: RequestReactivation, then ApproveReactivation by somebody else.",
  Administrative: "Lift the hold: RequestReactivation, then ApproveReactivation by somebody else.",
  Closed: "Nothing: it is closed for good.",
};

/** What would lift a refusal. */
const REFUSALS = {
  Unauthenticated: "Send it with a valid token, or with a well-formed authid.",
  Forbidden: "Ask for the role that is named, then send it again under a new id.",
  CommandIdReused: "Send it under a new id: this one belongs to a command of another meaning.",
  Expired: "Send it again with a later expirytime, under a new id.",
  UnknownCommand: "Correct its type or version.",
  Invalid: "Correct the member that is named, and send it under a new id.",
  CardNumber: "Take the card number out. It was not kept.",
  AccountNotFound: "Create the account first, or correct its name.",
  AccountExists: "Choose another name: names are never reused.",
  AccountArchived: "Nothing: the account is closed for good. Use another one.",
  ProjectNotFound: "Wait until the resource manager reports the project, or correct its name.",
  ProjectNotActive: "Wait until the project is Active again.",
  AccountNotReady: "Make the account Ready: its page says what is missing.",
  AccountClosing: "Withdraw the closure (WithdrawClosure), or use another account.",
  PreconditionFailed: "The payer is not the expected one. Look who pays now, and send it with that.",
  CurrencyImmutable: "Nothing: the currency of an account that was Ready once never changes. Use another account.",
  CurrencyMismatch: "Report in the currency of the account.",
  UnsupportedPaymentProfile: "Attach a profile of a kind that is allowed.",
  InvalidTransition: "The account is not in a state for this. Its page says which one it is in.",
  CauseUnresolved: "Request it first (RequestReactivation), saying how the cause was resolved.",
  SelfApproval: "Somebody else than who requested it has to approve.",
  ActiveBindingsExist: "Move its projects to another account first: TransferProjects.",
  ChargesOutstanding: "Invoicing must report a balance of exactly zero, as of after its last binding ended: ReportBalance.",
  TooManyProjects: "Transfer at most 10,000 projects at a time: list them.",
  Superseded: "Nothing: what came later took its place.",
};

/** What the user can do about a problem of the service. */
const PROBLEMS = {
  Unreachable: "Check that whopays serve is running and that this machine reaches it, then try again.",
  ProjectNotFound: "No project of this name was ever reported in this organization. Check both names.",
  AccountNotFound: "This organization has no account of this name. Check both names.",
  ResultNotFound: "No result of a command with this id is known here: it was not answered yet, was refused without claiming its id, or is no longer kept.",
  ReplayNotFound: "There is no replay of this name.",
  EventsExpired: "These events are no longer kept. Start from the newest.",
  TooManyRequests: "The service is busy. Try again in a moment.",
  Unavailable: "The service cannot reach its database. Health says more; try again in a moment.",
  NotYetKnown: "The service has not caught up yet. Try again in a moment.",
  InvalidParameter: "Correct what is named.",
  Unauthenticated: "Sign in again.",
  Forbidden: "Ask whoever grants roles for one that reaches it; then sign out and in again.",
};

export const liftOf = (reason) => REFUSALS[reason] ?? CONDITIONS[reason] ?? "Its message says what is wrong.";
export const remedyOf = (reason) => CONDITIONS[reason] ?? "Its message says what is missing.";
export const helpWith = (problem) => PROBLEMS[problem] ?? "Try again; if it stays so, the log of the service says more under the request's id.";

/** Return `CreateAccount` for `io.milo.billing.CreateAccount.v1`. */
export const shortType = (type) => type.split(".").at(-2) ?? type;

/** Return `1,234 projects`. */
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
