/** What can go wrong, by the key of its text: `error.<code>`. */
export type ErrorCode =
  | "bundle" | "newer" | "cleaning" | "fetch" | "run"
  | "image" | "heic" | "tiny" | "huge" | "strip"
  | "camera" | "storage" | "import";

export class AppError extends Error {
  constructor(readonly code: ErrorCode) {
    super(code);
  }
}

export function codeOf(error: unknown): ErrorCode {
  return error instanceof AppError ? error.code : "run";
}
