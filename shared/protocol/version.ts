/** Raised whenever an older page could not talk to a newer server; tabs with another number are asked to reload. */
export const PROTOCOL_VERSION = 7
