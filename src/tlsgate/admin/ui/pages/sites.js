import { element } from "../element.js"; export async function sitesPage() { return element("p", "soon"); }
