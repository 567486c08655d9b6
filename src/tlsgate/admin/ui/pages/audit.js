import { element } from "../element.js"; export async function auditPage() { return element("p", "soon"); }
