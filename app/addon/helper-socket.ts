/** The daemon's end of the privileged helper's socket: native/addon/helper_socket.cpp. */
export interface HelperSocket {
  /** The descriptor for the helper's standard input, close-on-exec; -1 after `closePeer`. */
  readonly peer: number;
  /** Once the helper has it: the socket then ends with the helper. */
  closePeer(): void;
  /** Sends one frame; never blocks. Throws an Error with errno EPIPE when the helper is gone, EAGAIN when it does not read. */
  send(frame: Uint8Array): void;
  /** Ends the socket; the helper ends then. */
  close(): void;
}

export interface HelperSockets {
  /**
   * Makes the socketpair. `onFrame` gets each reply with its descriptors
   * (close-on-exec, the receiver's to close), and once `null` at the end. Keeps
   * the process alive until then.
   */
  openHelperSocket(
    onFrame: (frame: Uint8Array | null, descriptors: number[]) => void,
  ): HelperSocket;
}
