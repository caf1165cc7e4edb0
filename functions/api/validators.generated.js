// Made by scripts/generate.ts from schemas/. Do not edit.
"use strict";
export const validate_job$create = validate20;
const schema31 = {"$id":"job-create","$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","required":["job"],"properties":{"jsonmodel_type":{"const":"job"},"job":{"type":"object","required":["jsonmodel_type"],"properties":{"jsonmodel_type":{"type":"string","pattern":"^[0-9A-Za-z_-]{1,64}$"}}},"job_params":{"type":"string","maxLength":32768},"uploads":{"type":"array","maxItems":100,"items":{"type":"string","pattern":"^[0-9A-Za-z_-]{1,64}$"}}}};
const pattern4 = new RegExp("^[0-9A-Za-z_-]{1,64}$", "u");
import func1_ from "ajv/dist/runtime/ucs2length.js";
const func1 = func1_.default ?? func1_;

function validate20(data, {instancePath="", parentData, parentDataProperty, rootData=data, dynamicAnchors={}}={}){
/*# sourceURL="job-create" */;
let vErrors = null;
let errors = 0;
const evaluated0 = validate20.evaluated;
if(evaluated0.dynamicProps){
evaluated0.props = undefined;
}
if(evaluated0.dynamicItems){
evaluated0.items = undefined;
}
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.job === undefined){
const err0 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "job"},message:"must have required property '"+"job"+"'"};
if(vErrors === null){
vErrors = [err0];
}
else {
vErrors.push(err0);
}
errors++;
}
if(data.jsonmodel_type !== undefined){
if("job" !== data.jsonmodel_type){
const err1 = {instancePath:instancePath+"/jsonmodel_type",schemaPath:"#/properties/jsonmodel_type/const",keyword:"const",params:{allowedValue: "job"},message:"must be equal to constant"};
if(vErrors === null){
vErrors = [err1];
}
else {
vErrors.push(err1);
}
errors++;
}
}
if(data.job !== undefined){
let data1 = data.job;
if(data1 && typeof data1 == "object" && !Array.isArray(data1)){
if(data1.jsonmodel_type === undefined){
const err2 = {instancePath:instancePath+"/job",schemaPath:"#/properties/job/required",keyword:"required",params:{missingProperty: "jsonmodel_type"},message:"must have required property '"+"jsonmodel_type"+"'"};
if(vErrors === null){
vErrors = [err2];
}
else {
vErrors.push(err2);
}
errors++;
}
if(data1.jsonmodel_type !== undefined){
let data2 = data1.jsonmodel_type;
if(typeof data2 === "string"){
if(!pattern4.test(data2)){
const err3 = {instancePath:instancePath+"/job/jsonmodel_type",schemaPath:"#/properties/job/properties/jsonmodel_type/pattern",keyword:"pattern",params:{pattern: "^[0-9A-Za-z_-]{1,64}$"},message:"must match pattern \""+"^[0-9A-Za-z_-]{1,64}$"+"\""};
if(vErrors === null){
vErrors = [err3];
}
else {
vErrors.push(err3);
}
errors++;
}
}
else {
const err4 = {instancePath:instancePath+"/job/jsonmodel_type",schemaPath:"#/properties/job/properties/jsonmodel_type/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err4];
}
else {
vErrors.push(err4);
}
errors++;
}
}
}
else {
const err5 = {instancePath:instancePath+"/job",schemaPath:"#/properties/job/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err5];
}
else {
vErrors.push(err5);
}
errors++;
}
}
if(data.job_params !== undefined){
let data3 = data.job_params;
if(typeof data3 === "string"){
if(func1(data3) > 32768){
const err6 = {instancePath:instancePath+"/job_params",schemaPath:"#/properties/job_params/maxLength",keyword:"maxLength",params:{limit: 32768},message:"must NOT have more than 32768 characters"};
if(vErrors === null){
vErrors = [err6];
}
else {
vErrors.push(err6);
}
errors++;
}
}
else {
const err7 = {instancePath:instancePath+"/job_params",schemaPath:"#/properties/job_params/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err7];
}
else {
vErrors.push(err7);
}
errors++;
}
}
if(data.uploads !== undefined){
let data4 = data.uploads;
if(Array.isArray(data4)){
if(data4.length > 100){
const err8 = {instancePath:instancePath+"/uploads",schemaPath:"#/properties/uploads/maxItems",keyword:"maxItems",params:{limit: 100},message:"must NOT have more than 100 items"};
if(vErrors === null){
vErrors = [err8];
}
else {
vErrors.push(err8);
}
errors++;
}
const len0 = data4.length;
for(let i0=0; i0<len0; i0++){
let data5 = data4[i0];
if(typeof data5 === "string"){
if(!pattern4.test(data5)){
const err9 = {instancePath:instancePath+"/uploads/" + i0,schemaPath:"#/properties/uploads/items/pattern",keyword:"pattern",params:{pattern: "^[0-9A-Za-z_-]{1,64}$"},message:"must match pattern \""+"^[0-9A-Za-z_-]{1,64}$"+"\""};
if(vErrors === null){
vErrors = [err9];
}
else {
vErrors.push(err9);
}
errors++;
}
}
else {
const err10 = {instancePath:instancePath+"/uploads/" + i0,schemaPath:"#/properties/uploads/items/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err10];
}
else {
vErrors.push(err10);
}
errors++;
}
}
}
else {
const err11 = {instancePath:instancePath+"/uploads",schemaPath:"#/properties/uploads/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err11];
}
else {
vErrors.push(err11);
}
errors++;
}
}
}
else {
const err12 = {instancePath,schemaPath:"#/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err12];
}
else {
vErrors.push(err12);
}
errors++;
}
validate20.errors = vErrors;
return errors === 0;
}
validate20.evaluated = {"props":{"jsonmodel_type":true,"job":true,"job_params":true,"uploads":true},"dynamicProps":false,"dynamicItems":false};

export const validate_import_job = validate21;
const schema32 = {"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"import_job","title":"Import data","description":"Creates records in ArchivesSpace from files, such as a finding aid in EAD.","type":"object","properties":{"jsonmodel_type":{"const":"import_job"},"filenames":{"title":"Files","description":"The names of the uploaded files, in the order in which they are imported.","type":"array","minItems":1,"items":{"type":"string"}},"import_type":{"title":"Import type","description":"What the files are. ead_xml: a finding aid in EAD 2002.","type":"string","enum":["ead_xml"],"enumDescriptions":["Import EAD records from an XML file"]},"import_events":{"title":"Import events","description":"Creates events of maintenance from the files. An EAD file has none.","type":"string","x-checked":"1"},"import_subjects":{"title":"Import subjects","description":"Creates linked subjects from files of authority records. Has no effect on EAD.","type":"string","x-checked":"1"},"import_repository":{"title":"Import repository","description":"Creates the maintenance agency of authority records as an agent. Has no effect on EAD.","type":"string","x-checked":"1"}},"required":["filenames","import_type"]};

function validate21(data, {instancePath="", parentData, parentDataProperty, rootData=data, dynamicAnchors={}}={}){
/*# sourceURL="import_job" */;
let vErrors = null;
let errors = 0;
const evaluated0 = validate21.evaluated;
if(evaluated0.dynamicProps){
evaluated0.props = undefined;
}
if(evaluated0.dynamicItems){
evaluated0.items = undefined;
}
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.filenames === undefined){
const err0 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "filenames"},message:"must have required property '"+"filenames"+"'"};
if(vErrors === null){
vErrors = [err0];
}
else {
vErrors.push(err0);
}
errors++;
}
if(data.import_type === undefined){
const err1 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "import_type"},message:"must have required property '"+"import_type"+"'"};
if(vErrors === null){
vErrors = [err1];
}
else {
vErrors.push(err1);
}
errors++;
}
if(data.jsonmodel_type !== undefined){
if("import_job" !== data.jsonmodel_type){
const err2 = {instancePath:instancePath+"/jsonmodel_type",schemaPath:"#/properties/jsonmodel_type/const",keyword:"const",params:{allowedValue: "import_job"},message:"must be equal to constant"};
if(vErrors === null){
vErrors = [err2];
}
else {
vErrors.push(err2);
}
errors++;
}
}
if(data.filenames !== undefined){
let data1 = data.filenames;
if(Array.isArray(data1)){
if(data1.length < 1){
const err3 = {instancePath:instancePath+"/filenames",schemaPath:"#/properties/filenames/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items"};
if(vErrors === null){
vErrors = [err3];
}
else {
vErrors.push(err3);
}
errors++;
}
const len0 = data1.length;
for(let i0=0; i0<len0; i0++){
if(typeof data1[i0] !== "string"){
const err4 = {instancePath:instancePath+"/filenames/" + i0,schemaPath:"#/properties/filenames/items/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err4];
}
else {
vErrors.push(err4);
}
errors++;
}
}
}
else {
const err5 = {instancePath:instancePath+"/filenames",schemaPath:"#/properties/filenames/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err5];
}
else {
vErrors.push(err5);
}
errors++;
}
}
if(data.import_type !== undefined){
let data3 = data.import_type;
if(typeof data3 !== "string"){
const err6 = {instancePath:instancePath+"/import_type",schemaPath:"#/properties/import_type/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err6];
}
else {
vErrors.push(err6);
}
errors++;
}
if(!(data3 === "ead_xml")){
const err7 = {instancePath:instancePath+"/import_type",schemaPath:"#/properties/import_type/enum",keyword:"enum",params:{allowedValues: schema32.properties.import_type.enum},message:"must be equal to one of the allowed values"};
if(vErrors === null){
vErrors = [err7];
}
else {
vErrors.push(err7);
}
errors++;
}
}
if(data.import_events !== undefined){
if(typeof data.import_events !== "string"){
const err8 = {instancePath:instancePath+"/import_events",schemaPath:"#/properties/import_events/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err8];
}
else {
vErrors.push(err8);
}
errors++;
}
}
if(data.import_subjects !== undefined){
if(typeof data.import_subjects !== "string"){
const err9 = {instancePath:instancePath+"/import_subjects",schemaPath:"#/properties/import_subjects/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err9];
}
else {
vErrors.push(err9);
}
errors++;
}
}
if(data.import_repository !== undefined){
if(typeof data.import_repository !== "string"){
const err10 = {instancePath:instancePath+"/import_repository",schemaPath:"#/properties/import_repository/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err10];
}
else {
vErrors.push(err10);
}
errors++;
}
}
}
else {
const err11 = {instancePath,schemaPath:"#/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err11];
}
else {
vErrors.push(err11);
}
errors++;
}
validate21.errors = vErrors;
return errors === 0;
}
validate21.evaluated = {"props":{"jsonmodel_type":true,"filenames":true,"import_type":true,"import_events":true,"import_subjects":true,"import_repository":true},"dynamicProps":false,"dynamicItems":false};

export default {
  "job-create": { validate: validate_job$create, schema: "{\"$id\":\"job-create\",\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\",\"required\":[\"job\"],\"properties\":{\"jsonmodel_type\":{\"const\":\"job\"},\"job\":{\"type\":\"object\",\"required\":[\"jsonmodel_type\"],\"properties\":{\"jsonmodel_type\":{\"type\":\"string\",\"pattern\":\"^[0-9A-Za-z_-]{1,64}$\"}}},\"job_params\":{\"type\":\"string\",\"maxLength\":32768},\"uploads\":{\"type\":\"array\",\"maxItems\":100,\"items\":{\"type\":\"string\",\"pattern\":\"^[0-9A-Za-z_-]{1,64}$\"}}}}" },
  "import_job": { validate: validate_import_job, schema: "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$id\":\"import_job\",\"title\":\"Import data\",\"description\":\"Creates records in ArchivesSpace from files, such as a finding aid in EAD.\",\"type\":\"object\",\"properties\":{\"jsonmodel_type\":{\"const\":\"import_job\"},\"filenames\":{\"title\":\"Files\",\"description\":\"The names of the uploaded files, in the order in which they are imported.\",\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}},\"import_type\":{\"title\":\"Import type\",\"description\":\"What the files are. ead_xml: a finding aid in EAD 2002.\",\"type\":\"string\",\"enum\":[\"ead_xml\"],\"enumDescriptions\":[\"Import EAD records from an XML file\"]},\"import_events\":{\"title\":\"Import events\",\"description\":\"Creates events of maintenance from the files. An EAD file has none.\",\"type\":\"string\",\"x-checked\":\"1\"},\"import_subjects\":{\"title\":\"Import subjects\",\"description\":\"Creates linked subjects from files of authority records. Has no effect on EAD.\",\"type\":\"string\",\"x-checked\":\"1\"},\"import_repository\":{\"title\":\"Import repository\",\"description\":\"Creates the maintenance agency of authority records as an agent. Has no effect on EAD.\",\"type\":\"string\",\"x-checked\":\"1\"}},\"required\":[\"filenames\",\"import_type\"]}" },
};
