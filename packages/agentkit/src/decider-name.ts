/** Whether a text says who decided: something in it can be seen. */
export const namesSomebody = (name: string): boolean => /[^\s\p{C}\p{Z}]/u.test(name);
