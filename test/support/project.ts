import { fileURLToPath } from 'node:url';

/** The project's directory. */
export const projectDirectory = fileURLToPath(new URL('../..', import.meta.url));
