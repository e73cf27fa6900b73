/** The module that `isolationTiers` runs in each tier. */
export default (): string => 'ok';
