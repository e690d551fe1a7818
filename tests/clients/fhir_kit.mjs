// What tests/clients/test_fhir_kit_client.py runs: node fhir_kit.mjs BASE_URL TOKEN < BUNDLE; prints what it saw as JSON.
import { Client } from "fhir-kit-client";
import { readFileSync } from "node:fs";

const [baseUrl, token] = process.argv.slice(2);
const client = new Client({ baseUrl, bearerToken: token });
const seen = {};

seen.fhirVersion = (await client.capabilityStatement()).fhirVersion;
seen.tokenUrl = (await client.smartAuthMetadata()).tokenUrl;

const answer = await client.transaction({ body: JSON.parse(readFileSync(0, "utf8")) });
seen.statuses = answer.entry.map((entry) => entry.response.status);
const patient = answer.entry[0].resource.id;

const found = await client.search({
  resourceType: "CarePlan",
  searchParams: { patient, _include: "CarePlan:goal" },
});
const [plan, ...goals] = found.entry.map((entry) => entry.resource);
seen.planGoals = plan.goal.map(
  ({ reference }) => goals.find((goal) => `Goal/${goal.id}` === reference).description.text,
);
const subject = await client.resolve({ reference: plan.subject.reference });
seen.family = subject.name[0].family;

seen.pages = [];
let page = await client.search({
  resourceType: "Observation",
  searchParams: { patient, _sort: "date", _count: "5" },
});
while (page) {
  seen.pages.push(page.entry.map((entry) => entry.resource.valueQuantity.value));
  page = await client.nextPage({ bundle: page });
}
const compartment = { resourceType: "Patient", id: patient };
const inCompartment = await client.search({ resourceType: "Goal", compartment });
const byPost = await client.search({
  resourceType: "Goal",
  searchParams: { patient },
  options: { postSearch: true },
});
seen.goalsFound = [inCompartment, byPost].map((bundle) => bundle.entry.length);

// The client sends no If-Match of its own; its options take headers.
const options = { headers: { "If-Match": 'W/"1"' } };
const { id } = goals[0];
const updated = await client.update({
  resourceType: "Goal",
  id,
  body: { ...goals[0], lifecycleStatus: "completed" },
  options,
});
seen.updated = [updated.meta.versionId, updated.lifecycleStatus];

async function refusal(attempt) {
  try {
    return await attempt();
  } catch ({ response }) {
    const [issue] = response.data.issue;
    return [response.status, issue.code, issue.diagnostics];
  }
}
const stale = { ...goals[0], lifecycleStatus: "cancelled" };
seen.conflict = await refusal(() => client.update({ resourceType: "Goal", id, body: stale, options }));
const versions = await client.history({ resourceType: "Goal", id });
seen.versions = versions.entry.map(({ resource }) => [resource.meta.versionId, resource.lifecycleStatus]);
seen.first = (await client.vread({ resourceType: "Goal", id, version: "1" })).lifecycleStatus;

await client.delete({ resourceType: "Goal", id });
seen.gone = (await refusal(() => client.read({ resourceType: "Goal", id }))).slice(0, 2);
console.log(JSON.stringify(seen));
