/** The daemon's log: one line an event on stderr, which its starter made daemon.log. */
export type Log = (message: string) => void;

export const logToStderr: Log = (message) => {
  process.stderr.write(`${new Date().toISOString()} ${message}\n`);
};
