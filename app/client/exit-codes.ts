/** Exit status of a daemon that found another one running: no failure, its starter just connects. */
export const EXIT_DAEMON_RUNNING = 3;
