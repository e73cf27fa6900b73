/** What a tool of the `sandbox` tier gets of this machine. Everything else is not there for it. */
export interface SandboxAccess {
  /** Files and folders that it may read, by absolute paths, which hold inside too. Default: none but its module. */
  read?: readonly string[];
  /**
   * Files and folders that it may change; it runs in the first folder. As root: of one owner, as whom it then runs.
   * Default: none.
   */
  write?: readonly string[];
  /** Whether it may run the machine's programs (`/usr`), 64 processes at most. Default: no further process at all. */
  programs?: boolean;
  /** How much its `/tmp` holds, which is empty at first and gone at last, in MB. Default 64. */
  tmpMb?: number;
}
