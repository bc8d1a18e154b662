/** The version of this Bioscope, as package.json has it. */
export { version } from '../../package.json';
